"""The page tells what was measured, and says so where something was not."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.performance import page, records
from benchmarks.performance.charts import chart
from benchmarks.performance.records import Measurement, Part
from benchmarks.performance.targets import targets
from benchmarks.performance.ten_million import Rates, hours

LINE = {"server": "L40S", "slots": 8, "servers": 1, "notes": "radiology"}


def part(*values: tuple[str, int, float]) -> Part:
    measured = [Measurement(LINE, way, value, "notes/s", at) for way, at, value in values]
    return Part({}, measured, [])


def test_a_ratio_is_of_one_round_and_the_median_of_all() -> None:
    found = part(
        ("notemill", 0, 10), ("closed loop", 0, 10), ("notemill", 1, 30), ("closed loop", 1, 20),
        ("notemill", 2, 50), ("closed loop", 2, 100), ("sequential", 0, 1),
    )  # fmt: skip
    assert found.ratio("notemill", "closed loop", **LINE) == 1
    assert found.middle("notemill", **LINE) == 30
    assert found.ratio("notemill", "datatrove", **LINE) is None


def test_what_is_not_reached_and_what_is_not_measured_stand_in_the_table() -> None:
    rows = {what: reached for what, _, _, reached, _ in targets({"answering": part(
        ("notemill", 0, 97), ("closed loop", 0, 100), ("sequential", 0, 10),
    )})}  # fmt: skip
    assert rows.pop("notemill / closed loop, the worst line") == "**no**"
    assert rows.pop("notemill / one at a time, L40S, 8 slots, radiology") == "yes"
    assert set(rows.values()) == {"not measured"}


def test_more_gpus_shorten_only_the_asking() -> None:
    rates = Rates(gpu=5, extract=50_000, load=20_000, shard_s=8, plan_s=3)
    one, many = hours(rates, 1), hours(rates, 28)
    shorter = {step for step in one if many[step] != one[step]}
    assert shorter == {step for step in one if step.startswith("answer")}
    assert one["answer: asking"] == pytest.approx(10_000_000 / 5 / 3600)
    assert many["answer: asking"] == pytest.approx(one["answer: asking"] / 28)


def test_a_plot_is_well_formed_and_has_every_curve() -> None:
    svg = chart("a < b", "rows", "s", {"one": [(1, 2), (10, 20)], "two & more": [(1, 0.5)]})
    root = ElementTree.fromstring(svg)
    assert "two & more" in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_the_page_is_what_the_measurements_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The tables in docs/performance.md are never edited by hand."""
    copy = tmp_path_factory.mktemp("docs") / "performance.md"
    copy.write_text(page.PAGE.read_text())
    monkeypatch.setattr(page, "PAGE", copy)
    monkeypatch.setattr(page, "FILE", copy.with_name("measurements.json"))
    parts = records.read()
    page.write_page(parts)
    assert copy.read_text() == (records.REPOSITORY / "docs" / "performance.md").read_text()
