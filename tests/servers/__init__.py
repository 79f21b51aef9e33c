"""Real servers for the tests: a MariaDB and a Slurm cluster, each in a folder of its own."""
