"""notemill.engines.gpu"""

from __future__ import annotations

import pytest

from notemill.engines.gpu import gpu_expected

NAMES = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("value", "given"),
    [("0", True), ("GPU-5d6a", True), ("", False), ("-1", False), ("NoDevFiles", False)],
)
def test_a_job_that_was_given_a_gpu_must_use_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, given: bool
) -> None:
    assert not gpu_expected("auto")
    monkeypatch.setenv(name, value)
    assert gpu_expected("auto") is given
    assert gpu_expected("off") is False
    assert gpu_expected("required") is True


def test_one_may_be_required_of_a_job_without() -> None:
    assert gpu_expected("required")
