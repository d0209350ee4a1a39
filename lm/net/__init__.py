"""The Transformer: configuration, layers, KV cache."""
