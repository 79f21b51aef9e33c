"""Loading: result shards into the database, exactly one row a note, proven by a count."""
