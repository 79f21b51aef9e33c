"""A gate before the model: notemill.tasks.gate and gate_patterns"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notemill.answers.grading import grade
from notemill.errors import NotemillError
from notemill.tasks import gate as gating
from notemill.tasks.evidence import Evidence
from notemill.tasks.gate import DID, WHOLE, Gated, counted
from notemill.tasks.sentences import numbered, sentences
from notemill.tasks.task import read_task
from tests.unit.conftest import write_task
from tests.unit.tasks.gates import REPORT, gate_of, patterned, printed, scripted


def test_a_task_without_one_has_no_gate_and_the_fingerprint_that_it_had(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    assert task.gate is None
    before = printed(task)
    assert before == "167edef7c23d"  # of the version before gates
    for nothing in ("", "gate:\n", "gate: {}", "gate: {settled_as: {response: 'no'}}"):
        (tmp_path / "cough" / "task.yaml").write_text(nothing)
        assert printed(read_task(tmp_path, "cough")) == before


def test_settle_if_goes_first_then_ask_if_then_the_sections(tmp_path: Path) -> None:
    gate = gate_of(
        patterned(
            tmp_path,
            r"""
            settle_if: {eyes: '^ophthalmology', teeth: dent(al|ist)}
            ask_if: {lungs: 'lung|pneumonia', fever: '\bfever\b'}
            sections: {keep: [findings, IMPRESSION]}
            """,
        )
    )
    assert gate.rules == ("eyes", "teeth", "lungs", "fever", "ask_if")
    assert gate.gated("Seen.\nOphthalmology: dental pneumonia") == Gated("eyes", ())
    assert gate.gated("DENTIST. Lungs clear.") == Gated("teeth", ())
    assert gate.gated("Ankle sprain.") == Gated("ask_if", ())
    assert gate.gated("feverish") == Gated("ask_if", ())
    assert gate.gated("Fever.") == Gated("fever")
    cut = gate.gated(REPORT)
    assert cut.rule == "lungs"
    assert cut.sent(REPORT) == "FINDINGS: Clear lungs.\nLeft base: clear."
    assert counted([cut, WHOLE, gate.gated("no"), gate.gated("x")]) == {
        "ask_if": dict(zip(DID, (2, 0, 0), strict=True)),
        "lungs": dict(zip(DID, (0, 1, 0), strict=True)),
    }


def test_a_note_without_the_sections_is_sent_whole(tmp_path: Path) -> None:
    gate = gate_of(patterned(tmp_path, "sections: {keep: [PLAN]}"))
    assert gate.gated(REPORT) == WHOLE
    assert gate.gated("PLAN: rest") == WHOLE  # all of it is the section
    assert gate.gated("Seen.\nplan: rest") == WHOLE  # in capitals alone is it a heading
    both = "PLAN\r\nRest.\r\nHISTORY\r\nOld.\r\n  PLAN  :\r\nWater."
    assert gate.gated(both).sent(both) == "PLAN\r\nRest.\n[...]\n  PLAN  :\r\nWater."


def test_another_pattern_says_what_begins_a_section(tmp_path: Path) -> None:
    gate = gate_of(
        patterned(tmp_path, r"sections: {keep: [chief complaint], heading: '\b([A-Z ]+):,'}")
    )
    note = "SUBJECTIVE:, Well. CHIEF COMPLAINT:, Cough. ALLERGIES:, None."
    assert gate.gated(note).rule == "sections"
    assert gate.gated(note).sent(note).strip() == "CHIEF COMPLAINT:, Cough."


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("settle_if: {a: '(x'}", "at 'gate.settle_if.a'.*does not compile: missing \\)"),
        ('settle_if: {a: "\\bCHF\\b"}', "backspace.*single quotes"),
        ("ask_if: {a: 'cough|'}", "found in an empty text, and so in every note"),
        ("ask_if: {a: ''}", "at 'gate.ask_if.a'"),
        ("ask_if: {a: 3}", "at 'gate.ask_if.a'"),
        ("ask_if: {no: cough}", "at 'gate.ask_if"),
        ("ask_if: {'a b': cough}", "at 'gate.ask_if"),
        ("ask_if: {ask_if: cough}", "what notemill itself calls a rule"),
        ("ask_if: [cough]", "at 'gate.ask_if'"),
        ("ask_if: {a: cough}\nsettle_if: {a: cold}", "'a' is a rule of settle_if and of ask_if"),
        ("asc_if: {a: cough}", "at 'gate.asc_if'"),
        ("sections: {keep: []}", "at 'gate.sections.keep'"),
        ("sections: {keep: [PLAN], heading: '('}", "at 'gate.sections.heading'"),
        ("sections: {keep: [PLAN], heading: 'x*'}", "at 'gate.sections.heading'"),
    ],
)
def test_what_a_gate_may_not_hold_is_named_at_the_plan(
    tmp_path: Path, gate: str, said: str
) -> None:
    with pytest.raises(NotemillError) as refused:
        patterned(tmp_path, gate)
    refused.match(f"(?s){said}")
    assert "task.yaml" in (refused.value.where or "")
    assert "docs/gate.md" in refused.value.remedy


def test_a_gate_is_part_of_the_fingerprint_and_what_settled_notes_are_taken_for_is_not(
    tmp_path: Path,
) -> None:
    plain = printed(write_task(tmp_path))
    one = printed(patterned(tmp_path, "ask_if: {a: cough}"))
    other = printed(patterned(tmp_path, "ask_if: {a: coughs}"))
    named = printed(patterned(tmp_path, "ask_if: {b: cough}"))
    taken = printed(patterned(tmp_path, "ask_if: {a: cough}\nsettled_as: {response: 'no'}"))
    assert len({plain, one, other, named}) == 4
    assert taken == one
    (tmp_path / "cough" / "task.yaml").unlink()
    first = printed(scripted(tmp_path, "return None"))
    assert first not in (plain, printed(scripted(tmp_path, "return 'none'")))


def test_a_pattern_that_takes_for_ever_is_named_by_its_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gating, "LONGEST_S", 0.05)
    gate = gate_of(patterned(tmp_path, "settle_if: {first: cough, wide: '^(a+)+b'}"))
    with pytest.raises(NotemillError, match=r"in rule 'wide' \(text [0-9a-f]{12}\)"):
        gate.gated("a" * 60)


TEXTS = st.text(st.sampled_from("ab. \n\rAB\0é🩺1"), min_size=1, max_size=60)


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, Gated]:
    """A text and a cut of it, as a gate makes them."""
    text = draw(TEXTS)
    places = draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=6, unique=True))
    ends = sorted(places)
    parts = tuple(zip(ends[::2], ends[1::2], strict=False))
    return text, Gated("part", parts)


@given(cut_texts())
def test_nothing_that_is_cut_out_is_sent_and_all_else_is(made: tuple[str, Gated]) -> None:
    text, gated = made
    assert gated.parts is not None
    kept = "".join(text[start:end] for start, end in gated.parts)
    assert "".join(gated.sent(text).split("\n[...]\n")).replace("\n", "").replace("\r", "") == (
        kept.replace("\n", "").replace("\r", "")
    )
    masked = gated.masked(text)
    assert len(masked) == len(text)
    assert all(masked[start:end] == text[start:end] for start, end in gated.parts)
    share = round(len(kept) / len(text), 4)
    assert gated.share(len(text)) == (0.9999 if kept == text else share)


def test_a_cut_is_never_taken_for_nothing_or_for_all() -> None:
    assert Gated("part", ((0, 5),)).share(10**6) == 0.0001
    assert Gated("part", ((1, 10**6),)).share(10**6) == 0.9999
    assert (Gated("none", ()).share(10), WHOLE.share(10)) == (0.0, 1.0)


@given(cut_texts())
@example(("111111\n 1", Gated("part", ((0, 9),))))
def test_sentences_of_a_cut_note_keep_their_numbers(made: tuple[str, Gated]) -> None:
    text, gated = made
    assert gated.parts is not None
    spans = dict(enumerate(sentences(text), 1))
    overlapping = [
        number
        for number, (start, end) in spans.items()
        if any(text[max(a, start) : min(b, end)].strip() for a, b in gated.parts if a < end)
    ]
    lines = numbered(text, gated.parts)
    assert [int(n) for n in re.findall(r"^\s*\[(\d+)\]", lines, re.MULTILINE)] == overlapping
    for number, span in spans.items():
        answer = {"sentences": [number]}
        graded = grade(text, answer, Evidence(field="sentences", numbered=True), gated)
        assert (graded.grade == "exact") == (number in overlapping)
        assert graded.first == (span if number in overlapping else None)


def test_a_quote_is_looked_for_in_what_was_sent_and_its_place_is_the_notes() -> None:
    note = "OLD: Consolidation of the left base.\nNEW: Consolidation of the left base. Cough."
    start = note.index("NEW")
    gated = Gated("part", ((start, len(note)),))
    how = Evidence(field="quote")
    for quote in ("Consolidation of the left base.", "consolidation OF the  left base"):
        found = grade(note, {"quote": quote}, how, gated)
        assert found.first
        assert found.first.start == note.index("Consolidation", start)
    note = f"HISTORY: Smoked for forty years.\n{note}"
    gone = grade(note, {"quote": "Smoked for forty years"}, how, Gated("part", ((40, len(note)),)))
    assert (gone.first, gone.near) == (None, ())
    note = note[33:]
    across = Gated("part", ((0, 36), (62, len(note))))
    assert grade(note, {"quote": "the left base. left base."}, how, across).grade != "exact"
