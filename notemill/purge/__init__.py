"""A finished cohort without its texts: what goes, what stays. See docs/purge.md."""
