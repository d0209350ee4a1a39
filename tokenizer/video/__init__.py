"""The video tokenizer: encodes frames to codes and decodes codes to frames."""
