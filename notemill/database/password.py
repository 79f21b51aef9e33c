"""The database's password stays out of what does not use the database."""

from __future__ import annotations

import os
import sys

from notemill.config.database import PASSWORD_VARIABLES


def leave_password_out() -> None:
    """Run this script anew without the password, if it was given one.

    A local job inherits all that snakemake has, and what a process was started with stays to be
    read in /proc as long as it lives. A Slurm job without `db` among its rule's resources is not
    given the password at all.
    """
    environment = {name: v for name, v in os.environ.items() if name not in PASSWORD_VARIABLES}
    if len(environment) == len(os.environ):
        return
    os.execve(sys.executable, sys.orig_argv, environment)
