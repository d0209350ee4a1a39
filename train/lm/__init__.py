"""Training of the language model, the describer and prompt retrieval."""
