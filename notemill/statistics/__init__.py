"""Figures with intervals that hold: proportions, agreement, pairs, strata."""
