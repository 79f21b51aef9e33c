"""How fast a server answers, by the number of requests in flight."""
