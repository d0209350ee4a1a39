"""Training of the language model, and of the describer and thesaurus beside it."""
