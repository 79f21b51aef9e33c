"""A second, newer site for tests: MySQL, Slurm and Apptainer of Debian's development suite."""
