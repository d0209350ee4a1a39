"""Model folders: reading, writing, the ones that ship, the hub."""
