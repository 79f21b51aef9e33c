"""Ollama: its server, its store, its interface."""
