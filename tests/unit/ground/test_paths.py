"""notemill.paths"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from notemill.paths import Layout, cut_name, journal, model_id, shard_names

LAYOUT = Layout(Path("results"))


def test_the_layout_is_the_documented_one() -> None:
    assert [
        str(path)
        for path in (
            LAYOUT.manifest("chest", cut_name(16)),
            LAYOUT.notes("chest", cut_name(16), "0001"),
            LAYOUT.model("local_m-abc"),
            LAYOUT.answers("chest", "cough-123", cut_name(16), "0001"),
            LAYOUT.load("chest", "cough-123"),
            LAYOUT.log("answer", "chest", "cough-123", cut_name(16), "0001"),
            LAYOUT.frozen("chest"),
            journal(LAYOUT.answers("chest", "cough-123", cut_name(9999), "0001")),
        )
    ] == [
        "results/cohorts/chest/cut-0016/manifest.json",
        "results/cohorts/chest/cut-0016/notes/0001.parquet",
        "results/models/local_m-abc.json",
        "results/answers/chest/cough-123/cut-0016/0001.parquet",
        "results/loads/chest/cough-123.json",
        "results/logs/answer/chest/cough-123/cut-0016/0001.log",
        "results/cohorts/chest/.frozen.json",
        "results/answers/chest/cough-123/cut-9999/0001.journal.jsonl",
    ]


def test_the_layout_takes_wildcards() -> None:
    assert str(LAYOUT.log("model", "{model}")) == "results/logs/model/{model}.log"


def test_models_with_a_dot_in_their_name_have_logs_of_their_own() -> None:
    logs = {LAYOUT.log("model", model_id("local", name)) for name in ("m3.1:8b", "m3.2:8b")}
    assert len(logs) == 2
    assert all(path.suffix == ".log" for path in logs)


def test_shards_sort_as_they_count() -> None:
    names = shard_names(9999)
    assert names[:2] == ["0000", "0001"]
    assert sorted(names) == names


def test_two_models_never_share_a_record() -> None:
    names = ["m:1", "m_1", "m/1", "m-1", "M:1", "m:1-", "m.1"]
    ids = [model_id(engine, name) for engine in ("a", "b", "a_m") for name in names]
    assert all(one.lower() != other.lower() for one, other in combinations(ids, 2))
    assert all("/" not in each and ":" not in each for each in ids)
    assert model_id("a", "m:1").startswith("a_m_1-")
