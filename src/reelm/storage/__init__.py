"""Storage: files, folders, remote folders, tensors."""
