"""Engines: servers that answer. Their life (server.py) apart from the asking (the clients)."""
