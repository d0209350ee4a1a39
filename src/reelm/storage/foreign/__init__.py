"""Files that other projects wrote: checkpoints, and how they quantize."""
