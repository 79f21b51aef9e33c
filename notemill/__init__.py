"""notemill: clinical notes through a local language model on a Slurm cluster, and back to MySQL."""

__version__ = "0.1.0"
