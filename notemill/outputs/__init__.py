"""Result shards into files: a row for each note, in the source's order, each value proven."""
