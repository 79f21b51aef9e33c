"""notemill.engines.ollama.versions"""

from __future__ import annotations

import logging

import pytest

from notemill.engines.ollama.versions import check_version
from notemill.errors import NotemillError


@pytest.mark.parametrize(
    "version", ["0.12.6", "0.13.5", "0.24.0", "0.24.7-rc1", "0.30.1", "0.32.15", "0.33.0-rc2"]
)
def test_known_versions_pass(version: str, caplog: pytest.LogCaptureFixture) -> None:
    check_version(version)
    assert caplog.text == ""


@pytest.mark.parametrize("version", ["0.25.0", "0.29.9", "0.34.0", "1.11.10", "0.0.0", "main", ""])
def test_unknown_versions_are_told_and_may_prove_themselves(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check_version(version)
    assert (
        f"nobody here knows Ollama {version} (known to behave are 0.12.6 to 0.24.x" in caplog.text
    )


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0.1.48", "cuts prompts"),
        ("0.12.5", "cuts prompts"),
        ("0.30.0", "counts cached tokens"),
        ("0.30.0-rc1", "counts cached tokens"),
    ],
)
def test_versions_known_to_be_broken_are_refused(version: str, words: str) -> None:
    with pytest.raises(NotemillError, match=f"Ollama {version} {words}") as refused:
        check_version(version)
    assert "0.30.1 to 0.33.x" in refused.value.remedy
