"""Endpoints: how servers that live on say where they are, and how they are guarded."""
