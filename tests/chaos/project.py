"""A round's folder: notes in the database, the project over them, its driver, and its pool."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.notes import Note, draw_notes, write_tasks
from tests.chaos.plan import Plan
from tests.chaos.site import Disk, Site
from tests.oracle import NOTES as MODEL_NOTES
from tests.oracle import WEIGHTS
from tests.servers.slurm import CommandFailed
from tests.servers.standin import store
from tests.workflow.project import REPOSITORY, Project, site_arguments

MARK = "NOTEMILL_CHAOS_ROUND"
"""A variable that every process of a round has: the round's folder."""
COHORT = "visits"
RESULTS = "answers_of_chaos"
SLOTS = 2
SERVERS = 2
"""Of a pool."""


class ChaosProject:
    """Everything of one round, in its folder."""

    def __init__(self, folder: Path, plan: Plan, site: Site) -> None:
        self.folder, self.plan, self.site = folder, plan, site
        self.database = site.database(plan.kind)
        self.notes = _notes(plan)
        self.results_disk = Disk(folder / "project" / "results", 48)
        self.temporary_disk = Disk(folder / "tmp", 32)
        self.ledger = folder / "ledger.jsonl"
        self._fill_database()
        environment = dict(site.cluster.environment) | {
            MARK: str(folder),
            "TMPDIR": str(self.temporary_disk.folder),
            "PYTHONPATH": str(REPOSITORY),
            "PATH": f"{Path(sys.executable).parent}:{site.cluster.environment['PATH']}",
        }
        self.project = Project(folder / "project", self._config(), environment)
        self.runs = 0

    @property
    def results(self) -> Path:
        return self.project.results

    @property
    def disks(self) -> list[Disk]:
        return [self.results_disk, self.temporary_disk]

    @property
    def output(self) -> str:
        """What the last driver has said so far."""
        return (self.folder / f"driver-{self.runs}.log").read_text(errors="replace")

    def start_driver(self, *arguments: str, name: str = "") -> subprocess.Popen[bytes]:
        """The command that a user gives, in the background; its output goes to a file."""
        if not name:
            self.runs += 1
            name = f"driver-{self.runs}"
        targets = arguments or ("all", "report")
        with (self.folder / f"{name}.log").open("wb") as out:
            return subprocess.Popen(
                # Targets first: an option that takes several values would take them.
                self.project.command(*targets, *site_arguments(), profile="slurm"),
                cwd=self.project.folder,
                env=dict(self.project.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def start_server(self) -> str:
        """Another server of the pool, by the script of the profiles; returns its job."""
        own = ["--account=research", "--partition=gpu", "--mem=1000", "--cpus-per-task=1"]
        done = subprocess.run(
            [
                "sbatch",
                "--parsable",
                "--time=60",
                *own,
                str(REPOSITORY / "profiles" / "serve.sbatch"),
                *("engine", "--configfile", "config.yaml"),
                *("--host", "127.0.0.1", "--threads", "1"),
            ],
            cwd=self.project.folder,
            env=dict(self.project.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(done.stderr)
        return done.stdout.strip().partition(";")[0]

    def jobs(self) -> dict[str, str]:
        """Slurm's jobs of this round that have not ended: to their names."""
        table = self.site.cluster.run("squeue", "-h", "-o", "%i|%j|%Z").splitlines()
        split = [line.split("|") for line in table]
        return {job: name for job, name, place in split if place == str(self.project.folder)}

    def processes(self) -> list[psutil.Process]:
        """All that run for this round, wherever they were started."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == str(self.folder):
                    found.append(process)
        return found

    def _fill_database(self) -> None:
        self.database.drop_tables()
        with self.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE notes (patientvisitid VARCHAR(20) NOT NULL, "
                "accession VARCHAR(20) NOT NULL, note_text TEXT)"
            )
            rows = [(note.visit, note.accession, note.text) for note in self.notes]
            cursor.executemany("INSERT INTO notes VALUES (%s, %s, %s)", rows)
            connection.commit()

    def _config(self) -> dict[str, Any]:
        tasks = REPOSITORY / "config" / "tasks"
        if self.plan.kind != "model":
            tasks = write_tasks(self.folder / "tasks", list(self.plan.experiments))
        model = {"model": "notemill-tiny"} if self.plan.kind == "model" else {"model": "standin"}
        predicted = 200 if self.plan.kind == "model" else 128
        return {
            "tasks": str(tasks),
            "database": self.database.access(self.folder),
            "cohorts": {
                COHORT: {
                    "query": "SELECT patientvisitid, accession, note_text FROM notes",
                    "id_columns": ["patientvisitid", "accession"],
                    "text_column": "note_text",
                    "shards": self.plan.shards,
                }
            },
            "engines": {"engine": self._engine()},
            "experiments": {
                name: model
                | {
                    "task": name,
                    "engine": "engine",
                    "options": {"num_ctx": 1024, "num_predict": predicted},
                    "results_table": RESULTS,
                    "max_failed_share": 0.5,
                    "pilot": {"notes": 8},
                }
                for name in self.plan.experiments
            },
        }

    def _engine(self) -> dict[str, Any]:
        if self.plan.kind == "model":
            return {"kind": "llamacpp", "weights": str(WEIGHTS), "slots": 1, "gpu": "off"}
        store.make_model(self.folder / "store")
        faults = [
            {"fault": "keyed"},
            {"fault": "slow", "value": self.plan.answer_s, "match": "Seen"},
            {
                "fault": "schema_violation",
                "match": "This note has no answer.",
                "value": {"response": "none of them"},
            },
        ]
        (self.folder / "faults.json").write_text(json.dumps(faults))
        engine = {
            "kind": "ollama",
            "command": [
                sys.executable,
                str(REPOSITORY / "tests" / "servers" / "standin" / "ollama"),
            ],
            "models": str(self.folder / "store"),
            "slots": SLOTS,
            "gpu": "auto",
            "answer_timeout_s": 60,
            "environment": {
                "STANDIN_FAULTS": str(self.folder / "faults.json"),
                "STANDIN_LEDGER": str(self.ledger),
            },
        }
        return (
            engine | {"endpoints": str(self.folder / "pool")}
            if self.plan.kind == "pool"
            else engine
        )


def _notes(plan: Plan) -> list[Note]:
    if plan.kind == "model":
        texts = list(dict.fromkeys(note.text for note in MODEL_NOTES))[: plan.notes]
        return [Note(f"V{n}", f"A{n}", text) for n, text in enumerate(texts)]
    return draw_notes(random.Random(f"notes {plan.seed} {plan.number}"), plan.notes)


def where_mountable() -> bool:
    """Whether disks of their own can be had here."""
    return os.geteuid() == 0
