"""A decoder-only language model that reads prompts: its net, its published files, its pieces, its template."""
