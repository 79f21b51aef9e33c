"""Answers held against right ones that are known."""
