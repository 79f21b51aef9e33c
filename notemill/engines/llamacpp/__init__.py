"""The embedded llama.cpp."""
