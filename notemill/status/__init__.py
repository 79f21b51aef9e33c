"""How a run goes: from files that its jobs renew, never from Slurm or the database."""
