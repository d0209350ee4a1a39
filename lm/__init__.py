"""The stream of codes and the Transformer that continues it. Knows codes, not convolutions."""
