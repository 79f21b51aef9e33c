# Where this workflow stands: in its own folder, or as a module of another Snakefile (docs/module.md).

import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import LocalSourceFile


def _use_own_package():
    """Let this repository's notemill be the one that is imported, whatever else is installed; the
    scripts do the same. Where the workflow comes from a Git server its folder is not here: then it
    is the installed one, which must be of the same version."""
    here = workflow.current_basedir
    if isinstance(here, LocalSourceFile):
        repository = Path(here).parents[1]
        sys.path.insert(0, str(repository))
        import notemill

        imported = Path(notemill.__file__).parents[1]
        if os.path.realpath(imported) != os.path.realpath(repository):
            raise WorkflowError(
                f"two copies of notemill in one run: {imported} and {repository}\n"
                "what to do: let the `snakefile:` of all modules be of one of them"
            )
        return
    initial = Path(workflow.source_path("../../notemill/__init__.py")).read_text()
    (version,) = re.findall(r'^__version__ = "(.+)"', initial, re.MULTILINE)
    try:
        from notemill import __version__ as installed
    except ModuleNotFoundError:
        installed = "none"
    if installed != version:
        raise WorkflowError(
            f"this workflow is notemill {version}, and the package notemill that this Python has "
            f"is {installed}\nwhere: {sys.executable}\nwhat to do: in a clone of the same tag "
            "`pip install --require-hashes -r requirements.lock` and `pip install --no-deps .`"
        )


_use_own_package()


def _refuse_copied_files():
    """Journals, records and endpoints lie beside the outputs and are declared by no rule: where each
    job is handed copies of its inputs, as Snakemake's Kubernetes executor does it, they would go
    with the job, and their answers with them."""
    provider = workflow.storage_settings.default_storage_provider
    if provider:
        raise WorkflowError(
            f"jobs that share no folder would lose their journals (default-storage-provider: {provider})"
            "\nwhat to do: run all jobs where they see one file system; on Kubernetes the whole "
            "workflow as one Job, with servers as pods: docs/kubernetes.md"
        )


_refuse_copied_files()

# Functions of inputs are called when it is another's again.
_MODIFIER = workflow.modifier


def _modified(path):
    """A path as a module's `prefix:` or `replace_prefix:` has it, else the same."""
    return _MODIFIER.path_modifier.replace_prefix(str(path))


def moved_by_prefix(results):
    """The results folder where a module's prefix puts it: absolute then, so that Snakemake adds no
    prefix and the jobs, which know no modules, write there too."""
    moved = Path(_modified(results / "x")).parent
    return results if moved == results else moved.absolute()


def unmoved(path):
    """An input of the user's own that no prefix moves."""
    return path if _modified(path) == str(path) else os.path.abspath(path)


def configuration_is_from():
    """Where the configuration stands, for errors."""
    files = ", ".join(os.path.abspath(file) for file in workflow.configfiles)
    if _MODIFIER.is_main_snakefile():
        return files
    named = f"`config:` of module {_MODIFIER.namespace}"
    return f"{named}, from {files}" if files else named
