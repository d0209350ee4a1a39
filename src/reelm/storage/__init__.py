"""Where bytes come to rest: files, folders, remote folders, tensors."""
