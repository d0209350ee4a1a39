"""Training an upscaler: large clips in, a net that makes them of small ones out."""
