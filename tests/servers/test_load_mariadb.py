"""Loads and their proof on a real MariaDB: hard values, triggers, kills, deadlocks, ids."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from notemill.errors import NotemillError
from notemill.load import loader
from notemill.load.rehearsal import prepare_tables
from tests.ids import MARIADB, go_through_and_back, lists_of
from tests.servers.clinic import ServerClinic
from tests.servers.loads import everything
from tests.servers.mariadb import MariaDB
from tests.unit.conftest import write_task
from tests.unit.load.rows import RESULTS
from tests.unit.loads import ID, Loads

SCHEMA = """
from typing import Literal

from pydantic import BaseModel, Field


class Side(BaseModel):
    name: str
    sizes: list[float | None]


class Answer(BaseModel):
    response: Literal["yes", "no"]
    reason: str
    size: float | None
    count: int | None
    seen: bool | None
    side: Side | None
"""
HARD = {
    "size": [-0.0, 1e308, 5e-324, 0.1, 1 / 3, None],
    "count": [2**63 - 1, -(2**63), 0, None],
    "seen": [True, False, None],
    "side": [
        None,
        {"name": 'z"\\é🩺', "sizes": [None, -0.0, 1e-7, 1e22]},
        {"name": "", "sizes": []},
    ],
    "reason": [
        "",
        " ",
        "a ",
        "A",
        "null",
        "é\u0301",
        "🩺" * 300,
        "x" * 70_000,
        "a\x00b\r\n\\'\"%s",
    ],
}
"""Values of an answer that a table may not keep."""


def test_hard_values_come_back_as_they_were_given(database: MariaDB, tmp_path: Path) -> None:
    clinic = ServerClinic(database, tmp_path)
    count = max(map(len, HARD.values()))
    clinic.fill(*((n, f"note {n}") for n in range(count)))
    clinic.extract()

    def answer(text: str, _: str) -> dict[str, Any]:
        n = int(text.split()[1])
        return {"response": "yes"} | {key: each[n % len(each)] for key, each in HARD.items()}

    loads = Loads(clinic, write_task(tmp_path / "tasks", SCHEMA), answer)
    loads.answer()
    assert prepare_tables(clinic.database, loads.work()).values_compared > 0
    report = loads.load()
    rows = clinic.rows(
        "SELECT visit, llm_reason, llm_size, llm_count, llm_seen, llm_side FROM answers ORDER BY 1"
    )
    assert report.values_compared == count * len(clinic.columns("answers"))
    for n, *got in rows:
        given = answer(f"note {n}", "")
        wanted = [given[key] for key in ("reason", "size", "count", "seen")]
        assert got[:4] == wanted
        assert got[4] == (given["side"] and json.dumps(given["side"], ensure_ascii=False))


class TestATrigger:
    @pytest.mark.parametrize(
        ("table", "change", "told"),
        [
            ("answers", "llm_reason = UPPER(NEW.llm_reason)", "answers.llm_reason differs in 1"),
            ("answers", "llm_reason = CONCAT(NEW.llm_reason, ' ')", "answers.llm_reason differs"),
            ("answers", "seconds = NEW.seconds + 1e-15", "answers.seconds differs in 1"),
            ("answers", "text_sha256 = UPPER(NEW.text_sha256)", "answers.text_sha256 differs"),
            ("answers_failures", "detail = ''", "answers_failures.detail differs in 1"),
        ],
    )
    def test_that_changes_one_value_is_caught(
        self, loads: Loads, table: str, change: str, told: str
    ) -> None:
        loads.load()
        before = everything(loads)
        loads.answer({"two": "schema", "three": "timeout"}, reason="new")
        for event in ("INSERT", "UPDATE"):
            loads.clinic.run(
                f"CREATE TRIGGER liar_{event} BEFORE {event} ON {table} FOR EACH ROW "
                f"IF NEW.visit IN (1, 3) THEN SET NEW.{change}; END IF"
            )
        with pytest.raises(NotemillError, match="gives back other values") as refused:
            loads.load()
        assert told in refused.value.what
        assert everything(loads) == before

    def test_that_changes_every_row_is_caught_before_any_gpu(
        self, loads: Loads, caplog: pytest.LogCaptureFixture
    ) -> None:
        prepare_tables(loads.clinic.database, loads.work())
        loads.clinic.run(
            "CREATE TRIGGER liar BEFORE INSERT ON answers FOR EACH ROW "
            "SET NEW.llm_response = LOWER(NEW.llm_response)"
        )
        caplog.set_level(logging.WARNING, logger="notemill")
        with pytest.raises(NotemillError, match=r"answers\.llm_response differs in 2 rows"):
            prepare_tables(loads.clinic.database, loads.work())
        assert "liar" in caplog.text


def test_a_deadlock_after_half_of_the_writing_is_tried_again_whole(
    loads: Loads, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's own error, after both tables were written."""
    loads.load()
    loads.answer({"one": "timeout"}, reason="new")
    tries = []
    whole = loader.write_experiment

    def once_a_victim(connection: Any, *rest: Any) -> None:
        tries.append(connection.exec_driver_sql("SELECT COUNT(*) FROM answers").scalar())
        if len(tries) == 1:
            connection.exec_driver_sql("SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213")
        whole(connection, *rest)

    monkeypatch.setattr(loader, "write_experiment", once_a_victim)
    caplog.set_level(logging.WARNING, logger="notemill")
    report = loads.load()
    assert tries == [2, 2]
    assert "deadlock" in caplog.text
    assert (report.answered, report.failed, report.blank) == (2, 2, 2)
    assert loads.clinic.rows("SELECT answered FROM experiments") == [(2,)]
    assert [row[3] for row in loads.clinic.rows(RESULTS)] == [ID, ID]


@pytest.mark.parametrize("kind", MARIADB)
@given(data=st.data())
@settings(max_examples=2, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_ids_go_through_and_back(
    database: MariaDB,
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    data: st.DataObject,
) -> None:
    def loads() -> Loads:
        clinic = ServerClinic(database, tmp_path_factory.mktemp("clinic"))
        return Loads(clinic, write_task(clinic.folder / "tasks"))

    go_through_and_back(loads, kind, data.draw(lists_of(MARIADB[kind])))
