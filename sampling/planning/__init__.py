"""From what a user asks to a request that can be decoded."""
