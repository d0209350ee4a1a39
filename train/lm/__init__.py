"""Training of the language model, the describer and the thesaurus."""
