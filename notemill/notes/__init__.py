"""Notes at rest: shards cut by a hash of the text, and the manifest that counts them."""
