"""Loading: result shards into the database, exactly one row a note, each value proven."""
