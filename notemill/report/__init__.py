"""What a run came to, for someone who was not there: one page, one record."""
