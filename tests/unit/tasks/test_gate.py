"""A gate before the model: notemill.tasks.gate and gate_patterns"""

from __future__ import annotations

import os
import re
import signal
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notemill.answers.grading import grade
from notemill.config import Experiment, read_config
from notemill.errors import NotemillError
from notemill.tasks import gate as gating
from notemill.tasks.evidence import Evidence
from notemill.tasks.gate import DID, WHOLE, Gate, Gated, counted
from notemill.tasks.identity import fingerprint
from notemill.tasks.schema_check import check_schema
from notemill.tasks.sentences import numbered, sentences
from notemill.tasks.task import Task, read_task
from tests.unit.conftest import config_values, write_task

REPORT = "HISTORY: Fever.\nFINDINGS: Clear lungs.\nLeft base: clear.\nSIGNED: B.\nImpression: none"
SECRET = "Jane Roebuck"


def patterned(folder: Path, gate: str) -> Task:
    """A task with this below `gate` in task.yaml, checked as the plan does."""
    write_task(folder)
    text = f"gate:\n{textwrap.indent(textwrap.dedent(gate), '  ')}"
    (folder / "cough" / "task.yaml").write_text(text)
    return checked(folder)


def scripted(folder: Path, body: str, rules: str = '("none", "part")') -> Task:
    """A task with a gate.py whose function has this body."""
    write_task(folder)
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    (folder / "cough" / "gate.py").write_text(
        f"import re\nimport time\n\nRULES = {rules}\n\n\ndef gate(note):\n{lines}\n"
    )
    return checked(folder)


def checked(folder: Path) -> Task:
    task = read_task(folder, "cough")
    check_schema(task)
    return task


def gate_of(task: Task) -> Gate:
    assert task.gate
    return task.gate


def test_a_task_without_one_has_no_gate_and_the_fingerprint_that_it_had(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    assert task.gate is None
    before = printed(task)
    assert before == "167edef7c23d"  # of the version before gates
    for nothing in ("", "gate:\n", "gate: {}", "gate: {settled_as: {response: 'no'}}"):
        (tmp_path / "cough" / "task.yaml").write_text(nothing)
        assert printed(read_task(tmp_path, "cough")) == before


def printed(task: Task) -> str:
    config = read_config(config_values(), where="here")
    experiment: Experiment = config.experiments["cough"]
    return fingerprint(experiment, config.engines["local"], task)


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


def test_gate_py_settles_cuts_and_asks_whole(tmp_path: Path) -> None:
    body = """
    print(note)
    if "cough" not in note:
        return "none"
    found = re.search("PLAN.*", note)
    return ("part", [found.span(), (0, 4), (2, 6), (9, 9)]) if found else None
    """
    gate = gate_of(scripted(tmp_path, body))
    assert gate.gated("Ankle.") == Gated("none", ())
    assert gate.gated("A cough.") == WHOLE
    assert gate.gated("A cough. PLAN: rest") == Gated("part", ((0, 6), (9, 19)))
    assert gate.gated("PLAN: cough") == Gated("part")  # the whole of it


def test_what_gate_py_prints_goes_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gate = gate_of(scripted(tmp_path, "print(note); return None"))
    gate.gated(SECRET)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError(note)", "raises ValueError"),
        ("raise SystemExit(note)", "raises SystemExit"),
        ("return note[5]", "a rule that RULES does not name"),
        ("return True", "returns bool"),
        ("return 'none', [(0, 2)], 3", "returns tuple"),
        ("return f'found {note}'", "a rule that RULES does not name"),
        ("return 'part', [(0, len(note) + 1)]", "parts outside the note, by rule 'part'"),
        ("return 'part', [re.search('(x)|J', note).span(1)]", "parts outside the note"),
        ("return 'part', [(5, 2)]", "parts outside the note"),
        ("return 'part', [(0.0, 2.0)]", "no pairs of numbers"),
        ("return 'part', [note]", "no pairs of numbers"),
        ("return 'part', []", "leaves nothing of a note"),
        ("return 'part', [(4, 5)]", "leaves nothing of a note"),
        ("return ([], [])", "a rule that RULES does not name"),
    ],
)
def test_nonsense_of_gate_py_ends_with_one_message_without_a_word_of_the_note(
    tmp_path: Path, body: str, said: str
) -> None:
    # What it does with the text of ours that it is tried with is sound.
    only_ours = f"if 'IMPRESSION' in note:\n    return None\n{body}"
    task = scripted(tmp_path, only_ours)
    with pytest.raises(NotemillError) as refused:
        gate_of(task).gated(SECRET)
    refused.match(re.escape(said))
    refused.match("task 'cough'")
    assert "gate.py" in (refused.value.where or "")
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert not any(word in str(refused.value) for word in SECRET.split())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def gate(note):\n    return None\n", "does not say which rules"),
        ("RULES = ('a b',)\ndef gate(note):\n    return None\n", "does not say which rules"),
        ("RULES = 'ab'\ndef gate(note):\n    return None\n", "does not say which rules"),
        ("RULES = ('a',)\ndef gate():\n    return None\n", "raises TypeError"),
        ("RULES = ('a',)\nasync def gate(note):\n    return None\n", "has no function gate"),
        ("RULES = ('a',)\ndef Gate(note):\n    return None\n", "has no function gate"),
        ("RULES = ('a',)\ndef gate(note):\n    return nothing\n", "raises NameError"),
        ("RULES = (\n", "does not import"),
        ("import nowhere\ndef gate(note):\n    return None\n", "does not import"),
    ],
)
def test_a_gate_py_that_cant_work_is_told_at_the_plan(
    tmp_path: Path, source: str, said: str
) -> None:
    write_task(tmp_path)
    (tmp_path / "cough" / "gate.py").write_text(source)
    with pytest.raises(NotemillError, match=said) as refused:
        checked(tmp_path)
    assert "gate.py" in (refused.value.where or "")


def test_a_helper_of_schema_py_that_is_called_gate_py_stays_one(tmp_path: Path) -> None:
    schema = "from gate import CODES\n" + (
        "from typing import Literal\nfrom pydantic import BaseModel\n\n\n"
        "class Answer(BaseModel):\n    response: Literal[CODES]\n"
    )
    (tmp_path / "cough").mkdir()
    codes = "CODES = ('yes', 'no')\n"
    for helper in (codes, f"{codes}\n\ndef gate(value):\n    return value\n"):
        (tmp_path / "cough" / "gate.py").write_text(helper)
        assert write_task(tmp_path, schema).gate is None


def test_two_gates_are_refused(tmp_path: Path) -> None:
    scripted(tmp_path, "return None")
    with pytest.raises(NotemillError, match="two gates"):
        patterned(tmp_path, "ask_if: {a: cough}")


@pytest.mark.parametrize("body", ["while True: pass", "time.sleep(60)", "re.match('(a+)+b', note)"])
def test_a_gate_that_takes_for_ever_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(gating, "LONGEST_S", 0.05)
    ours = f"if 'IMPRESSION' in note: return None\ntry:\n    {body}\nexcept Exception: pass"
    gate = gate_of(scripted(tmp_path, ours))
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(NotemillError, match=r"task 'cough' takes more than 0\.05 s for a note"):
        gate.gated("a" * 60)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_pattern_that_takes_for_ever_is_named_by_its_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gating, "LONGEST_S", 0.05)
    gate = gate_of(patterned(tmp_path, "settle_if: {first: cough, wide: '^(a+)+b'}"))
    with pytest.raises(NotemillError, match=r"in rule 'wide' \(text [0-9a-f]{12}\)"):
        gate.gated("a" * 60)


def test_a_job_that_was_stopped_for_longer_is_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gating, "LONGEST_S", 0.2)
    body = f"""
    if "IMPRESSION" not in note:
        import os, subprocess
        wake = "sleep 0.6; kill -CONT {os.getpid()}"
        subprocess.Popen(["sh", "-c", wake])
        os.kill(os.getpid(), {int(signal.SIGSTOP)})
    return None
    """
    assert gate_of(scripted(tmp_path, body)).gated("Stopped.") == WHOLE


def test_outside_the_main_thread_a_gate_does_the_same(tmp_path: Path) -> None:
    gate = gate_of(patterned(tmp_path, "ask_if: {a: cough}"))
    found: list[Gated] = []
    thread = threading.Thread(target=lambda: found.append(gate.gated("no")))
    thread.start()
    thread.join()
    assert found == [Gated("ask_if", ())]


def test_a_gate_that_comes_to_another_end_sends_nothing(tmp_path: Path) -> None:
    task = scripted(tmp_path, "return 'none' if 'Jane' in note else None")
    with pytest.raises(NotemillError, match="settles a note that it had asked before"):
        task.as_sent(SECRET)


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
