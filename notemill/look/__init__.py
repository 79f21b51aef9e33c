"""A private page to read notes beside their answers."""
