"""The stream of codes and the Transformer that predicts it. This package knows codes, but no tokenizer nets."""
