"""Everything that can be known before a GPU is spent, as findings."""
