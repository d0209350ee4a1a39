"""The video tokenizer: frames to codes and back."""
