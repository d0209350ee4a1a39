"""Planning: from the user's arguments to a request that can be decoded."""
