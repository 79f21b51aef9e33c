"""What notemill takes, beside the other ways to do the same: `make bench`, docs/performance.md."""
