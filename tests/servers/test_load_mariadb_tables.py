"""Tables that a real MariaDB holds already: of before, of other types, of other rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.load.rehearsal import prepare_tables
from tests.servers.clinic import ServerClinic
from tests.servers.loads import TABLES, everything, load_other_ids
from tests.servers.mariadb import MariaDB
from tests.unit.conftest import write_task
from tests.unit.load.rows import statements
from tests.unit.load.test_gated import GATED, gated
from tests.unit.loads import Loads


class TestATableOf010:
    """As version 0.1.0 made it: no control tokens, the cohort not in the key, without case."""

    @pytest.fixture
    def old(self, loads: Loads) -> Loads:
        loads.load()
        for table in TABLES[:2]:
            loads.clinic.run(
                f"ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY (visit, experiment), "
                "MODIFY cohort VARCHAR(64) NOT NULL, MODIFY engine VARCHAR(255), "
                "DROP control_tokens"
            )
        loads.clinic.run(
            "ALTER TABLE experiments MODIFY cohort VARCHAR(64) NOT NULL, "
            "MODIFY engines VARCHAR(255) NOT NULL"
        )
        return loads

    def test_is_refused_and_the_printed_sql_mends_it(self, old: Loads) -> None:
        before = everything(old)
        with pytest.raises(NotemillError, match="no unique key is over visit, exp") as refused:
            old.load()
        assert refused.value.where == "answers, answers_failures, experiments"
        assert "column cohort is compared by utf8mb4_general_ci" in refused.value.what
        assert everything(old) == before
        alters = statements(refused.value)
        assert [alter.split("`")[1] for alter in alters] == list(TABLES)
        for alter in alters:
            old.clinic.run(alter)
        assert everything(old, but="control_tokens") == before
        old.load()
        assert everything(old, but="control_tokens") == before
        assert prepare_tables(old.clinic.database, old.work()).values_compared > 0

    def test_with_its_key_made_by_hand_is_refused_for_the_narrow_one(self, old: Loads) -> None:
        old.clinic.run("CREATE UNIQUE INDEX whole ON answers (visit, experiment, cohort)")
        with pytest.raises(NotemillError, match="by its unique key PRIMARY") as refused:
            old.load()
        for alter in statements(refused.value):
            old.clinic.run(alter)
        assert old.load().answered == 3


def test_tables_of_before_take_a_gate_by_the_printed_sql_and_keep_their_rows(loads: Loads) -> None:
    loads.load()
    loads.clinic.run("ALTER TABLE experiments DROP COLUMN not_relevant, DROP COLUMN gate")
    before = everything(loads)
    other = gated(loads)
    with pytest.raises(NotemillError, match="gate_rule, gate_sent are missing") as refused:
        other.load(experiment=GATED)
    for alter in statements(refused.value):
        loads.clinic.run(alter)
    report = other.load(experiment=GATED)
    assert report.gate == {"second": {"not_relevant": 1, "cut": 0, "whole": 0}}
    assert (report.answered, report.not_relevant, report.failed, report.blank) == (3, 1, 0, 2)
    assert prepare_tables(loads.clinic.database, other.work(experiment=GATED)).values_compared > 0
    loads.clinic.run(f"DELETE FROM answers WHERE experiment = '{GATED}'")
    loads.clinic.run(f"DELETE FROM answers_failures WHERE experiment = '{GATED}'")
    rows = [[row[:-2] for row in table] for table in everything(loads)[1:]]
    assert rows == before[1:]


@pytest.mark.parametrize(
    ("table", "change", "told"),
    [
        ("answers", "MODIFY llm_reason INT", "llm_reason is int(11), not MEDIUMTEXT"),
        ("answers", "MODIFY llm_reason VARCHAR(255)", "llm_reason is varchar(255)"),
        ("answers", "MODIFY llm_response VARCHAR(20)", "llm_response is varchar(20)"),
        ("answers", "MODIFY llm_response CHAR(255)", "llm_response is char(255)"),
        ("answers", "MODIFY llm_response ENUM('yes')", "llm_response is enum"),
        (
            "answers",
            "MODIFY llm_reason MEDIUMTEXT CHARACTER SET latin1",
            "can't hold every character (latin1",
        ),
        ("answers", "MODIFY llm_reason MEDIUMTEXT NOT NULL", "llm_reason must be empty"),
        ("answers", "MODIFY seconds FLOAT", "seconds is float, not DOUBLE"),
        ("answers", "MODIFY seconds DOUBLE(10,2)", "seconds is double(10,2), not DOUBLE"),
        ("answers", "MODIFY attempts TINYINT", "attempts is tinyint(4), not INTEGER"),
        ("answers", "MODIFY attempts INT UNSIGNED", "attempts is int(10) unsigned"),
        ("answers", "MODIFY answered_at DATE", "answered_at is date, not DATETIME"),
        ("answers", "MODIFY answered_at TIMESTAMP NULL", "answered_at is timestamp"),
        ("answers", "MODIFY visit INT", "visit is int(11), not BIGINT"),
        ("answers", "ADD mine INT NOT NULL", "mine, which is not notemill's"),
        ("answers", "ADD UNIQUE one (visit)", "by its unique key one"),
        ("answers", "DROP attempts, ADD attempts INT AS (visit)", "attempts is computed"),
        ("answers", "DROP attempts", "the columns attempts are missing"),
        ("answers_failures", "MODIFY detail TEXT", "detail is text, not MEDIUMTEXT"),
        ("answers_failures", "ENGINE = Aria", "its engine Aria knows no transactions"),
        ("experiments", "MODIFY engines VARCHAR(255)", "engines is varchar(255)"),
        ("experiments", "MODIFY notes TINYINT", "notes is tinyint(4)"),
    ],
)
def test_a_table_that_could_not_keep_every_value_is_refused_and_mended(
    loads: Loads, table: str, change: str, told: str
) -> None:
    loads.load()
    loads.clinic.run("DELETE FROM answers")
    loads.clinic.run(f"ALTER TABLE {table} {change}")
    for attempt in (loads.load, lambda: prepare_tables(loads.clinic.database, loads.work())):
        with pytest.raises(NotemillError) as refused:
            attempt()
        assert told in refused.value.what
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    assert loads.load().answered == 3


@pytest.mark.parametrize(
    "change",
    [
        "MODIFY llm_reason LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        "MODIFY llm_response TEXT, MODIFY attempts BIGINT",
        "ADD mine INT",
        "ADD mine INT NOT NULL DEFAULT 1",
        "ADD mine INT NOT NULL AUTO_INCREMENT UNIQUE",
        "MODIFY answered_at DATETIME(6)",
        "DROP PRIMARY KEY, ADD UNIQUE KEY (cohort, experiment, visit)",
        "DROP PRIMARY KEY, ADD mine INT AUTO_INCREMENT PRIMARY KEY, "
        "ADD UNIQUE KEY (visit, cohort, experiment)",
        "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ],
)
def test_a_wider_table_and_one_with_more_columns_is_used(loads: Loads, change: str) -> None:
    loads.load()
    loads.clinic.run(f"ALTER TABLE answers {change}")
    prepare_tables(loads.clinic.database, loads.work())
    loads.load()
    assert loads.clinic.rows("SELECT COUNT(*) FROM answers") == [(3,)]


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("BIGINT", "VARCHAR(20)", "visit is bigint(20), not VARCHAR(20)"),
        ("VARCHAR(10)", "VARCHAR(20)", "visit is varchar(10), not VARCHAR(20)"),
        ("VARBINARY(10)", "VARCHAR(10)", "visit is varbinary(10), not VARCHAR(10)"),
        ("DECIMAL(10,1)", "DECIMAL(10,2)", "visit is decimal(38,1), not NUMERIC(38, 2)"),
        ("DATE", "DATETIME(6)", "visit is date, not DATETIME(6)"),
        ("VARCHAR(20)", "BIGINT", "visit is varchar(20), not BIGINT"),
    ],
)
def test_ids_of_another_type_are_refused(
    database: MariaDB, tmp_path: Path, before: str, now: str, told: str
) -> None:
    ids = {"DATE": "2020-02-29", "DATETIME(6)": "2020-02-29 01:02:03.000004"}
    loads = Loads(ServerClinic(database, tmp_path, visit=before), write_task(tmp_path / "tasks"))
    first = ids.get(before, "7.5" if "DEC" in before else "7")
    second = ids.get(now, "7.25" if "DEC" in now else "007")
    kept = load_other_ids(loads, (first, second), now, told, "SELECT * FROM answers")
    assert loads.clinic.rows("SELECT * FROM answers WHERE cohort = 'chest'") == kept


def test_ids_compared_without_case_are_refused_and_mended(
    database: MariaDB, tmp_path: Path
) -> None:
    """Case, trailing blanks and accents: five notes, by MariaDB's own default two."""
    ids = ["a", "A", "a ", "á", "🩺"]
    loads = Loads(
        ServerClinic(database, tmp_path, visit="VARCHAR(20) COLLATE utf8mb4_bin"),
        write_task(tmp_path / "tasks"),
    )
    loads.clinic.fill(*((visit, f"of {visit!r}") for visit in ids))
    loads.clinic.extract()
    loads.answer()
    loads.load()
    loads.clinic.run("DELETE FROM answers")
    loads.clinic.run(
        "ALTER TABLE answers MODIFY visit VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL"
    )
    with pytest.raises(NotemillError, match="visit is compared by utf8mb4_general_ci") as refused:
        loads.load()
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    assert loads.load().answered == len(ids)
    found = loads.clinic.rows("SELECT visit, llm_reason FROM answers")
    assert sorted(found) == sorted((visit, f"of of {visit!r}") for visit in ids)


class TestPreparedTables:
    def test_hold_nothing_of_the_rehearsal(self, loads: Loads) -> None:
        report = prepare_tables(loads.clinic.database, loads.work())
        assert report.server.startswith("MariaDB 1")
        assert everything(loads) == [[], [], []]
        loads.load()
        before = everything(loads)
        prepare_tables(loads.clinic.database, loads.work())
        assert everything(loads) == before

    def test_a_view_is_refused(self, loads: Loads) -> None:
        loads.clinic.run("CREATE VIEW answers AS SELECT * FROM notes")
        try:
            with pytest.raises(NotemillError, match="answers exists, and it is a view"):
                prepare_tables(loads.clinic.database, loads.work())
        finally:
            loads.clinic.run("DROP VIEW answers")

    def test_the_notes_table_is_refused_and_left_as_it_is(self, loads: Loads) -> None:
        for name in ("results_table", "failures_table"):
            with pytest.raises(NotemillError, match="notes exists, and the columns") as refused:
                prepare_tables(loads.clinic.database, loads.work(**{name: "notes"}))
            assert "choose another name" in refused.value.remedy
        assert len(loads.clinic.rows("SHOW COLUMNS FROM notes")) == 2

    @pytest.mark.parametrize(
        "right", ["INSERT", "UPDATE", "DELETE", "CREATE TEMPORARY TABLES", "CREATE"]
    )
    def test_a_missing_right_shows_before_any_gpu(
        self, loads: Loads, database: MariaDB, right: str
    ) -> None:
        database.execute(f"REVOKE {right} ON clinical.* FROM notemill")
        try:
            with pytest.raises(NotemillError, match=r"denied (to|for) user") as refused:
                prepare_tables(loads.clinic.database, loads.work())
            assert "the right named above" in refused.value.remedy
        finally:
            database.execute("GRANT ALL ON clinical.* TO notemill")

    def test_sixty_wide_fields_fit_and_far_too_many_are_refused(
        self, database: MariaDB, tmp_path: Path
    ) -> None:
        clinic = ServerClinic(database, tmp_path, visit="VARCHAR(700)")
        clinic.fill(("v" * 700, "one"))
        clinic.extract()
        for number in (50, 60, 150, 151):
            fields = "\n".join(f"    f{n}: str = Field(max_length=200)" for n in range(number))
            schema = f"from pydantic import BaseModel, Field\nclass Answer(BaseModel):\n{fields}\n"
            task = write_task(tmp_path / "tasks", schema, name=f"t{number}")
            loads = Loads(
                clinic, task, lambda *_, n=number: {f"f{i}": "🩺" * 200 for i in range(n)}
            )
            work = {"results_table": f"r{number}"}
            if number > 150:
                with pytest.raises(NotemillError, match="151 fields"):
                    prepare_tables(clinic.database, loads.work(**work))
                continue
            prepare_tables(clinic.database, loads.work(**work))
            loads.answer()
            assert loads.load(**work).answered == 1
