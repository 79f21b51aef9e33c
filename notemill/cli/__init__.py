"""The command `notemill`."""
