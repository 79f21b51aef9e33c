"""On which notes: what was read, and the flow from its rows to the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from notemill.report.blocks import Block, Facts, Flow, Heading, Section, Step, Words
from notemill.report.count import Count
from notemill.report.numbers import when
from notemill.report.record import Answered, CohortRead, Report
from notemill.report.sections.names import called
from notemill.report.tables import told

_MOST_ENDS = 6


def notes_section(report: Report) -> Section:
    """A flow of boxes for each cohort."""
    return Section("Notes", [block for each in report.cohorts for block in _cohort(each, report)])


def _cohort(cohort: CohortRead, report: Report) -> Iterator[Block]:
    yield Heading(f"Cohort {cohort.name}")
    answers = [each for each in report.answers if each.cohort == cohort.name]
    yield _flow(cohort, [(called(report, each.experiment), each) for each in answers])
    yield Facts(
        [
            ("read", when(cohort.extracted_at)),
            ("from", cohort.server),
            ("columns of the id", ", ".join(cohort.id_columns)),
            ("column of the text", cohort.text_column),
            ("the same id with another text", cohort.same_id_different_text),
            ("digest of the notes", cohort.digest),
        ]
    )
    yield Words(f"the {cohort.source}", cohort.query, opened=True)


def _flow(cohort: CohortRead, answers: Sequence[tuple[str, Answered]]) -> Flow:
    steps = [
        Step(
            told(cohort.rows),
            f"rows of the {cohort.source}",
            _there(
                (cohort.collapsed, "came again, with the same id and the same text"),
                (cohort.dropped, "left out: the same id with another text"),
            ),
        ),
        Step(
            told(cohort.notes),
            "notes",
            _there((cohort.blank, _blank(cohort))),
        ),
        Step(
            told(cohort.asked),
            f"notes to ask about; equal texts are asked once: {told(cohort.texts)} texts",
        ),
    ]
    if len(answers) > _MOST_ENDS:
        return Flow(steps, [Step(f"{len(answers)}", "experiments: see the answers")])
    if len(answers) == 1:
        return Flow([*steps, _end("", answers[0][1])], [])
    return Flow(steps, [_end(name, each) for name, each in answers])


def _blank(cohort: CohortRead) -> str:
    of_null = f" ({told(cohort.null)} of them NULL)" if cohort.null.high else ""
    return f"blank, and so not asked{of_null}"


def _end(name: str, answers: Answered) -> Step:
    failed = [(told(each.count), each.name) for each in answers.failed_by if each.count.high]
    if len(failed) > 1:
        failed.insert(0, (told(answers.failed), "failed:"))
    elif failed:
        failed = [(failed[0][0], f"failed: {failed[0][1]}")]
    waiting = _there(
        (answers.not_relevant, "settled by the task's gate, and so not asked"),
        (answers.waiting, "not asked yet"),
    )
    what = f"answered by {name}" if name else "answered"
    return Step(told(answers.answered), what, [*failed, *waiting])


def _there(*leaving: tuple[Count, str]) -> list[tuple[str, str]]:
    return [(told(count), what) for count, what in leaving if count.high]
