"""Servers with OpenAI's chat interface."""
