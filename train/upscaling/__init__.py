"""Training of an upscaler: from large clips to a net that makes them from small ones."""
