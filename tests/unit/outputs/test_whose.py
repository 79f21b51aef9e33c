"""A file that is there already: written over only where it is this experiment's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.files import sha256_of_file
from notemill.outputs import deliver as stage
from notemill.outputs import proof
from notemill.outputs.deliver import prepare
from notemill.outputs.delivered import edition
from notemill.outputs.origin import Origin
from notemill.paths import origin_of_output
from tests.disks import small_disk
from tests.unit.conftest import names_in
from tests.unit.outputs.conftest import ORDER, Files, csv_rows, json_rows

OTHER = "cough-aaaaaaaaaaaa"
"""The same experiment with another prompt."""


def refused(files: Files, match: str, **changes: object) -> None:
    """Both before any GPU and by the load, and the file is left as it is."""
    before = files.file("a.jsonl").read_bytes()
    outputs = [str(files.file("a.jsonl"))]
    with pytest.raises(NotemillError, match=match) as error:
        prepare(None, files.work(results_table=None, outputs=outputs, **changes))  # type: ignore[arg-type]
    assert "outputs" in error.value.remedy
    with pytest.raises(NotemillError, match=match):
        files.deliver("a.jsonl", **changes)
    assert files.file("a.jsonl").read_bytes() == before
    assert not list(files.file("").glob(".*"))


def test_someone_elses_file_is_left_alone(files: Files) -> None:
    files.file("").mkdir()
    files.file("a.jsonl").write_text("mine\n")
    refused(files, "was not written by notemill")


def test_a_file_that_was_changed_by_hand_is_left_alone(files: Files) -> None:
    files.deliver("a.jsonl")
    with files.file("a.jsonl").open("a") as file:
        file.write('{"a note of mine": true}\n')
    refused(files, "changed it since")


def test_another_experiments_file_is_left_alone(files: Files) -> None:
    files.deliver("a.jsonl")
    files.answer(experiment="fever-0123456789ab")
    refused(files, "has answers of experiment 'cough'", experiment="fever-0123456789ab")


def test_a_file_over_other_notes_is_left_alone(files: Files) -> None:
    files.deliver("a.jsonl")
    content = origin_of_output(files.file("a.jsonl"))
    told = Origin.model_validate_json(content.read_bytes())
    told.model_copy(update={"cohort_digest": "0" * 64}).write(content)
    refused(files, "of other notes")


def test_another_prompt_takes_the_place_of_the_one_before(files: Files) -> None:
    files.deliver("a.jsonl")
    files.answer(experiment=OTHER, reason="another")
    files.deliver("a.jsonl", experiment=OTHER)
    assert {row["experiment"] for row in json_rows(files.file("a.jsonl"))} == {OTHER}
    # And back: nothing was lost by it.
    files.deliver("a.jsonl")
    assert "another" not in files.file("a.jsonl").read_text()


def test_a_kill_between_a_file_and_what_tells_of_it_is_made_good(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.deliver("a.jsonl")
    before = files.file("a.jsonl").read_bytes()
    files.answer(experiment=OTHER, reason="another")
    replace = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if target == files.file("a.jsonl"):
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.deliver("a.jsonl", experiment=OTHER)
    monkeypatch.undo()
    assert files.file("a.jsonl").read_bytes() == before
    assert told(files).sha256 != sha256_of_file(files.file("a.jsonl"))
    # The prompt of before again, whose file is there: what stands beside it tells of it too.
    files.deliver("a.jsonl")
    assert files.file("a.jsonl").read_bytes() == before
    assert told(files).sha256 == sha256_of_file(files.file("a.jsonl"))
    files.deliver("a.jsonl", experiment=OTHER)
    assert {row["experiment"] for row in json_rows(files.file("a.jsonl"))} == {OTHER}


def told(files: Files) -> Origin:
    return Origin.model_validate_json(origin_of_output(files.file("a.jsonl")).read_bytes())


def test_a_value_that_comes_back_otherwise_puts_no_file_there(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stage.prove

    def lying(place: Path, *rest: object) -> int:
        content = place.read_bytes()
        assert b"of one" in content
        place.write_bytes(content.replace(b"of one", b"of two", 1))
        return whole(place, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "prove", lying)
    for name in ("a.jsonl", "a.csv"):
        with pytest.raises(NotemillError, match=r"llm_reason \(1\)"):
            files.deliver(name)
    assert names_in(files.file("")) == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet", "a.csv.gz"])
def test_a_file_that_lost_a_row_or_its_end_is_not_put_there(
    files: Files, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stage.prove

    def cut(place: Path, *rest: object) -> int:
        content = place.read_bytes()
        lines = content.splitlines(keepends=True)
        plain = name in ("a.jsonl", "a.csv")
        place.write_bytes(b"".join(lines[:-1]) if plain else content[: len(content) // 2])
        return whole(place, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "prove", cut)
    with pytest.raises(NotemillError, match=r"number of rows|can't be read back"):
        files.deliver(name)
    assert names_in(files.file("")) == []


def test_a_zeros_sign_is_a_difference() -> None:
    import pyarrow as pa  # noqa: PLC0415

    assert not proof.same(pa.array([0.0]), pa.array([-0.0]))
    assert not proof.same(pa.array([1]), pa.array([1.0]))
    assert not proof.same(pa.array(["a"]), pa.array(["A"]))
    assert not proof.same(pa.array([None, ""]), pa.array(["", None]))
    assert proof.same(pa.array([None, 0.5]), pa.array([None, 0.5]))


def test_a_file_that_is_gone_makes_the_load_run_once_more(files: Files) -> None:
    work, layout = files.work(results_table=None, outputs=[str(files.file("a.csv"))]), None
    layout = files.clinic.layout
    assert edition(layout, "chest", work.run) == 0
    files.deliver("a.csv")
    assert edition(layout, "chest", work.run) == 0
    files.file("a.csv").unlink()
    assert edition(layout, "chest", work.run) == 1
    files.deliver("a.csv")
    assert edition(layout, "chest", work.run) == 1
    files.file("a.csv").unlink()
    assert edition(layout, "chest", work.run) == 2


def test_a_link_leads_to_where_the_file_is_written(files: Files) -> None:
    files.file("").mkdir()
    elsewhere = files.clinic.folder / "elsewhere.csv"
    files.file("a.csv").symlink_to(elsewhere)
    files.deliver("a.csv")
    assert files.file("a.csv").is_symlink()
    assert elsewhere.read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_full_disk_is_one_message_and_leaves_what_was_there(files: Files) -> None:
    with small_disk(files.file(""), kib=512) as disk:
        files.deliver("a.csv")
        before = files.file("a.csv").read_bytes()
        files.answer(experiment=OTHER, reason="x" * 20_000)

        def deliver() -> None:
            assert files.file("a.csv").read_bytes() == before
            assert not list(files.file("").glob("*.partial"))
            files.deliver("a.csv", experiment=OTHER)

        refused = disk.refusals(deliver, 40_960)
        assert len(refused) > 3
        assert str(files.file("a.csv")) in refused
        assert len(csv_rows(files.file("a.csv"))) == len(ORDER)
