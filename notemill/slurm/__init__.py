"""Between Snakemake and Slurm: jobs are submitted, watched and never forgotten."""

from __future__ import annotations

from importlib import import_module

from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry


def mend_executor() -> None:
    """Put our executor in the place of the Slurm plugin's, in this process.

    Snakemake has imported all executor plugins by now, and makes an executor only for a run that
    uses it: a plan or a local run pays for a class and nothing else.
    """
    registry = ExecutorPluginRegistry()
    if registry.is_installed("slurm"):
        registry.get_plugin("slurm").executor = import_module("notemill.slurm.executor").Executor
