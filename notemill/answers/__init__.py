"""From a notes shard to a result shard: the job, one text's asking, the verdict, the journal."""
