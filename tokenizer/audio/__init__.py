"""The audio tokenizer: encodes sound to codes and decodes codes to sound."""
