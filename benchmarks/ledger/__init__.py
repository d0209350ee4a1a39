"""The ledger of claims: what the documents say of the shipped weights, and what measures it."""
