"""Loads that must end alike whatever the database is: SQLite's tests, on real servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.ids import HOSTILE, go_through_and_back
from tests.servers.conftest import Servers
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.unit.conftest import Clinic, write_task
from tests.unit.evaluation.test_table import (  # noqa: F401
    labelled,
    test_an_evaluation_replaces_its_own_rows_and_no_others,
    test_figures_that_a_trigger_changes_are_refused_and_the_old_ones_stay,
    test_the_table_holds_every_figure_of_the_record,
)
from tests.unit.load.test_gated import (  # noqa: F401
    test_an_experiments_table_that_is_made_anew_takes_both_kinds,
    test_tables_of_before_are_refused_with_the_sql_that_gives_them_the_columns,
)
from tests.unit.load.test_load import (  # noqa: F401
    failures,
    hold_the_last_of,
    test_a_note_that_comes_to_be_answered_moves_and_moves_back,
    test_a_repeated_load_brings_back_what_another_program_changed,
    test_a_repeated_load_leaves_the_same_rows,
    test_a_repeated_load_writes_no_row_that_is_there_already,
    test_every_note_is_in_one_table,
    test_evidence_comes_into_the_table_with_its_place_and_its_share,
    test_rows_of_another_program_stay,
    test_rows_of_notes_that_the_cohort_no_longer_has_are_removed_and_counted,
    test_shards_of_before_evidence_was_named_are_not_loaded_as_if_they_had_it,
    test_the_experiments_row_says_every_setting_that_can_change_an_answer,
    test_the_experiments_table_says_how_the_rows_were_made,
    test_the_results_table_begins_as_users_know_it,
    test_two_cohorts_that_share_ids_leave_each_other_alone,
    test_two_experiments_share_a_table_and_leave_each_other_alone,
    test_without_evidence_there_is_no_column_and_no_share,
    texts,
)
from tests.unit.load.test_load_failed import (  # noqa: F401
    test_a_load_killed_in_the_middle_changes_nothing,
)
from tests.unit.load.test_load_other_tables import TestATableOnAnyServer  # noqa: F401
from tests.unit.loads import Loads


@pytest.fixture(scope="module", params=["MariaDB", "PostgreSQL"])
def database(servers: Servers, request: pytest.FixtureRequest) -> MariaDB | Postgres:
    """Each server in its turn, which every test here goes to."""
    return servers(request.param)


@given(steps=st.lists(failures, min_size=1, max_size=3), notes=st.lists(texts, min_size=1))
@settings(
    max_examples=3,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_after_any_loads_the_tables_hold_the_last_one(
    new_clinic: Callable[[], Clinic], steps: list[dict[str, str]], notes: list[str]
) -> None:
    hold_the_last_of(new_clinic(), steps, notes)


def test_ids_that_are_one_to_the_database_stay_several(
    database: MariaDB | Postgres, new_clinic: Callable[[], Clinic]
) -> None:
    """As a server's default collation has them: case, accents, blanks at the end."""
    mysql = isinstance(database, MariaDB)

    def loads() -> Loads:
        clinic = new_clinic()
        return Loads(clinic, write_task(clinic.folder / "tasks"))

    collation = "utf8mb4_general_ci" if mysql else '"und-x-icu"'
    go_through_and_back(loads, f"VARCHAR(200) COLLATE {collation}", HOSTILE)
