"""Reaching the database: connections, and its refusals in words that say what to do."""
