"""notemill.metrics: what is imported and shown where nothing was asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from notemill.counts import Counts
from notemill.metrics import watching, watching_servers
from tests.unit.conftest import config


def test_without_metrics_nothing_is_shown_and_nothing_is_left(tmp_path: Path) -> None:
    settings = config(results=str(tmp_path / "results"))
    with watching(settings)([Counts()]):
        pass
    assert watching_servers(settings) and not (tmp_path / "results").exists()


def test_a_job_without_metrics_never_imports_their_library() -> None:
    program = (
        "import sys, notemill.answers.job, notemill.metrics, notemill.cli.serve;"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_metrics_without_their_library_are_a_warning(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from notemill.metrics import watching, watching_servers\n"
        "from tests.unit.conftest import config\n"
        "settings = config(metrics={})\n"
        "with watching(settings)([]): pass\n"
        "watching_servers(settings)\n"
        "print('went on')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("went on\n"), done.stderr
    assert "no metrics are served" in done.stderr + done.stdout
