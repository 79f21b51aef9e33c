"""Files as a cohort's source: which there are, their rows in order, and whether they changed."""
