"""Two experiments on the same notes, and one experiment asked twice."""
