"""A cohort whose answers a test chooses, and the command that looks at them."""

from __future__ import annotations

import hashlib
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.__main__ import main
from notemill.answers.journal import Journal, JournalKey
from notemill.answers.outcome import Outcome
from notemill.answers.sweep import Sweep
from notemill.clock import now
from notemill.config import read_config
from notemill.notes.text import shard_of
from notemill.paths import journal, shard_names
from notemill.pilot.record import AskedText, PilotRecord, ShardTexts
from notemill.plan.runs import plan_runs
from tests.unit.conftest import Clinic, config_values, write_task

TEXTS = [f"Note {number}: sputum with blood." for number in range(12)]
DIGEST = "d" * 64


class Looking:
    """A clinic whose cohort is extracted, and the command over its answers."""

    def __init__(self, clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
        self.clinic = clinic
        self.layout = clinic.layout
        self._capsys = capsys
        self.task = write_task(clinic.folder / "tasks")
        clinic.fill(*enumerate(TEXTS), (12, TEXTS[0]), (13, " "))
        clinic.extract()

    def values(self) -> dict[str, Any]:
        values = config_values(results=str(self.layout.results), tasks=str(self.task.folder.parent))
        values["cohorts"]["other"] = values["cohorts"]["chest"]
        values["experiments"]["cough"]["cohorts"] = ["chest"]
        return values

    @property
    def id(self) -> str:
        (run,) = plan_runs(read_config(self.values()))
        return run.experiment_id

    def shard(self, text: str, shards: int = 3) -> str:
        number = shard_of(hashlib.sha256(text.encode()).digest(), shards)
        return shard_names(shards)[number]

    def journal(self, text: str, experiment: str | None = None) -> Path:
        place = ("chest", experiment or self.id, self.clinic.cut(), self.shard(text))
        return journal(self.layout.answers(*place))

    def answer(self, *texts: str, experiment: str | None = None, **values: Any) -> None:
        """Put answers into the journals, as jobs do."""
        for text in texts:
            answer = {"response": "yes", "reason": f'It says "{text}"'} | values
            outcome = Outcome("answered", answer, "", 1, "", 20, 10, 0.5, "small 1", now())
            key = JournalKey(experiment or self.id, DIGEST)
            with Journal(self.journal(text, experiment), key, lambda _: True) as kept:
                kept.accept(sha(text), outcome)

    def look(self, *arguments: str, experiment: str = "cough") -> str:
        """The page of `notemill look chest cough`, which must have printed its path alone."""
        assert self.run("chest", experiment, *arguments) == 0
        path = Path(self.told.strip())
        assert self.told == f"{path}\n"
        assert path.stat().st_mode & 0o777 == 0o600
        return path.read_text()

    def run(self, *arguments: str) -> int:
        """The exit status; what is printed goes to `told`, and never has a word of a note."""
        file = self.clinic.folder / "my.yaml"
        file.write_text(yaml.safe_dump(self.values()))
        status = main(["look", *arguments, "--configfile", str(file)])
        printed = self._capsys.readouterr()
        self.told = printed.out + printed.err
        assert "sputum" not in self.told
        return status

    def refused(self, *arguments: str) -> str:
        assert self.run(*arguments) == 1
        assert "what to do: " in self.told
        return self.told


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def shown(page: str) -> list[tuple[str, str]]:
    """Status and note of each entry, in the page's order."""
    found = re.findall(
        r'<span class="status">(\w+)</span>.*?<div class="note">(.*?)</div>', page, re.DOTALL
    )
    return [(status, unescape(re.sub("<.*?>", "", note))) for status, note in found]


def in_order(texts: list[str]) -> list[str]:
    return sorted(texts, key=sha)


def of_first_shard(looking: Looking) -> list[str]:
    """Texts of the first shard, which has some."""
    texts = in_order([text for text in TEXTS if looking.shard(text) == "0000"])
    assert len(texts) >= 3
    return texts


def pilot(looking: Looking, asked: dict[str, str], longest: str) -> None:
    """A pilot's record over these texts, each with its status."""
    texts = [
        AskedText(
            text_sha256=sha(text),
            characters=len(text),
            drawn=text != longest,
            status=status,
            detail="" if status == "answered" else "reason: string_too_long",
            attempts=3,
            changes="hint; hint",
            prompt_tokens=20,
            answer_tokens=10,
            seconds=0.5,
            slots=2,
        )
        for text, status in asked.items()
    ]
    PilotRecord(
        experiment=looking.id,
        cohort="chest",
        model="m:1",
        model_digest=DIGEST,
        engine="small 1",
        host="here",
        gpu="CPU",
        gpu_memory_mib=None,
        gpus=None,
        slots=2,
        sweep=Sweep(gpu="CPU", steps=[], best=None, ended="", measured_at=now()),
        ready_s=1.0,
        shard="0000",
        shard_texts=ShardTexts(
            texts=9, characters=9, squared_characters=9, beyond_context=0, longest_prompt=9
        ),
        asked_before=0,
        asked=texts,
        journal_bytes=300.0,
        notemill="0",
        made_at=now(),
        seconds=9.0,
    ).write(looking.layout.pilot("chest", looking.id))
