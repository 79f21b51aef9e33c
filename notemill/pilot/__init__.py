"""A pilot: what is tried of an experiment before its shards."""
