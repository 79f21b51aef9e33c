"""What a configuration asks for: its runs, checked before any job."""
