"""Readers' judgement of a finished run: a sample drawn, read blind, and what it says."""
