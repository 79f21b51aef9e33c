"""docs/postgresql.md: its OMOP example, run as it stands on a real PostgreSQL."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.oracle import EMBEDDED, NOTES, RIGHT, share_right
from tests.servers.postgres import Postgres
from tests.workflow.project import REPOSITORY, Project

PAGE = REPOSITORY / "docs" / "postgresql.md"
NOTE = """
CREATE TABLE cdm.note (
    note_id integer NOT NULL PRIMARY KEY, person_id integer NOT NULL, note_date date NOT NULL,
    note_datetime timestamp, note_type_concept_id integer NOT NULL,
    note_class_concept_id integer NOT NULL, note_title varchar(250), note_text text NOT NULL,
    encoding_concept_id integer NOT NULL, language_concept_id integer NOT NULL,
    provider_id integer, visit_occurrence_id integer, visit_detail_id integer,
    note_source_value varchar(50), note_event_id integer, note_event_field_concept_id integer)
"""
"""As OMOP's common data model 5.4 has it."""


def blocks(language: str) -> list[str]:
    """The page's examples from its section on OMOP."""
    section = PAGE.read_text(encoding="utf-8").partition("## OMOP")[2]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_notes_of_omop_get_a_table_that_joins_by_note_id(
    running_postgres: Postgres, tmp_path: Path
) -> None:
    server = running_postgres
    server.drop_tables()
    server.execute("CREATE SCHEMA cdm", server.database)
    try:
        _fill(server)
        schema, joined, by_person = (sql.replace(" me;", " notemill;") for sql in blocks("sql"))
        for statement in schema.replace(" me\n", " notemill\n").split(";")[:-1]:
            server.execute(statement, server.database)
        (example,) = blocks("yaml")
        values: dict[str, Any] = yaml.safe_load(example)
        values["database"] |= server.access(tmp_path)
        values |= {"engines": {"engine": EMBEDDED}, "tasks": str(REPOSITORY / "config" / "tasks")}
        values["experiments"]["pneumonia"]["options"] = {"num_ctx": 1024, "num_predict": 200}
        project = Project(tmp_path / "project", values)
        checked = [sys.executable, "-m", "notemill", "check", "--database", "--json"]
        checked += ["-d", str(project.folder), "--configfile", str(project.folder / "config.yaml")]
        said = subprocess.run(checked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
        assert "note_id integer: id, integer" in str(json.loads(said.stdout))
        done = project.snakemake()
        assert done.returncode == 0, done.stdout
        with server.connect() as connection:
            rows = connection.execute(joined.encode()).fetchall()
            people = connection.execute(by_person.encode()).fetchall()
            there = connection.execute(
                "SELECT DISTINCT table_schema FROM information_schema.tables "
                "WHERE table_name LIKE 'pneumonia%'"
            ).fetchall()
        given = {row[0]: row[3] for row in rows}
        assert share_right([given.get(n) for n in range(len(NOTES))], "pneumonia") >= RIGHT
        assert len(people) == len({row[1] for row in rows})
        assert there == [("notemill",)]
    finally:
        server.execute("DROP SCHEMA cdm CASCADE", server.database)


def _fill(server: Postgres) -> None:
    """The oracle's notes of a radiologist, and two that the query leaves out."""
    server.execute(NOTE, server.database)
    day = datetime.date(2021, 3, 4)
    rows = []
    for n, text in enumerate([*(note.text for note in NOTES), "too old", "of another class"]):
        kind = 42527614 if n != len(NOTES) + 1 else 0
        date = day if n != len(NOTES) else datetime.date(2019, 12, 31)
        literal = text.replace("'", "''")
        rows.append(f"({n}, {n // 3}, '{date}', 0, {kind}, '{literal}', 0, 0)")
    server.execute(
        "INSERT INTO cdm.note (note_id, person_id, note_date, note_type_concept_id, "
        "note_class_concept_id, note_text, encoding_concept_id, language_concept_id) VALUES "
        + ", ".join(rows),
        server.database,
    )
