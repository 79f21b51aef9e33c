"""The methods, the checklist, what is not known, and the crate: each sentence rests on its fact."""

from __future__ import annotations

import json
from typing import Any

import pytest

from notemill.report.checklist import MI_CLEAR, TRIPOD, checklist
from notemill.report.count import Count, exactly
from notemill.report.crate import crate
from notemill.report.methods import methods
from notemill.report.record import ExperimentAsked, Report
from notemill.report.unknown import unknown
from tests.unit.report import judged
from tests.unit.report.reports import answered, asked, cohort, report


def sentences(of: Report) -> str:
    return " ".join(each for paragraph in methods(of) for each in paragraph.sentences)


def with_cohort(**changes: Any) -> Report:
    return report(cohorts=[cohort(**changes)])


def with_computing(**changes: Any) -> Report:
    return report(answers=[answered(computing=answered().computing.model_copy(update=changes))])


@pytest.mark.parametrize(
    ("with_fact", "without", "words"),
    [
        (with_cohort(), with_cohort(extracted_at=""), "by one query and then frozen"),
        (with_cohort(server="MariaDB 11"), with_cohort(server=""), "from MariaDB 11"),
        (with_cohort(), with_cohort(collapsed=exactly(0)), "were merged"),
        (with_cohort(), with_cohort(blank=exactly(0)), "Notes without text"),
        (with_cohort(), with_cohort(texts=Count(low=0, high=9)), "distinct texts"),
        (
            with_cohort(dropped=exactly(8), same_id_different_text="first"),
            with_cohort(dropped=exactly(0)),
            "the first row was kept and 8 rows were left out",
        ),
        (with_computing(gpu_hours=3.5), with_computing(gpu_hours=None), "of GPU time"),
        (with_computing(kwh=1.4), with_computing(kwh=None), "1.4 kWh"),
        (with_computing(), with_computing(first_answer_at=None), "The model was queried"),
        (
            report(answers=[answered(loaded=True)]),
            report(answers=[answered(loaded=False)]),
            "was read back from the database",
        ),
        (
            report(answers=[answered(waiting=exactly(0))]),
            report(answers=[answered(waiting=exactly(900))]),
            "have a valid answer",
        ),
    ],
)
def test_a_sentence_is_there_if_its_fact_is_known(
    with_fact: Report, without: Report, words: str
) -> None:
    assert words in sentences(with_fact)
    assert words not in sentences(without)


def test_what_is_known_of_the_model_is_said_and_no_more() -> None:
    known = asked()
    bare = known.model_copy(
        update={"model": known.model.model_copy(update={"details": {}, "digest": ""})}
    )
    assert known.model.digest in sentences(report(experiments=[known]))
    for detail in ("architecture", "quantisation"):
        assert known.model.details[detail] in sentences(report(experiments=[known]))
    without = sentences(report(experiments=[bare]))
    assert known.model.digest not in without and "architecture" not in without
    told = {each.what for each in unknown(report(experiments=[bare]))}
    assert f"the quantisation of {known.model.name}" in told


def test_the_methods_tell_no_small_count() -> None:
    told = sentences(with_cohort(collapsed=Count(low=1, high=4)))
    assert "(fewer than 5) were merged" in told


def test_both_guidelines_are_there_and_all_items_are_filled_or_yours() -> None:
    items = checklist(report())
    assert {each.guideline for each in items} == {TRIPOD, MI_CLEAR}
    assert sum(each.guideline == MI_CLEAR for each in items) == 6
    assert all(each.filled or each.yours for each in items)
    assert len({(each.guideline, each.item) for each in items}) == len(items)


def test_an_item_is_filled_from_the_run_and_empty_without_it() -> None:
    def filled(of: Report, words: str) -> str:
        return next(each.filled for each in checklist(of) if each.item.startswith(words))

    of = report()
    name = of.experiments[0].model.name
    assert name in filled(of, "LLM name")
    assert "temperature" in filled(of, "Stochasticity handling")
    assert filled(of, "Compute")
    nothing = report(
        cohorts=[],
        experiments=[],
        answers=[],
        evaluations=[],
        audits=[],
        comparisons=[],
        repeats=[],
    )
    for words in ("LLM name", "Stochasticity handling", "Compute", "Flow of text", "LLM perf"):
        assert not filled(nothing, words)


def test_the_checklist_says_of_each_experiment_whether_the_note_comes_first() -> None:
    alone = report().experiments[0]
    first = alone.model_copy(
        update={"name": "chest.cough", "options": alone.options | {"note_first": "1"}}
    )

    def structure(*experiments: ExperimentAsked) -> str:
        of = report(experiments=list(experiments))
        item = "Prompt structuring"
        return next(each.filled for each in checklist(of) if each.item.startswith(item))

    assert "then the note" not in structure(alone)
    assert "user prompt, note" not in structure(first)
    assert all(name in structure(alone, first) for name in (alone.name, "chest.cough"))


def test_the_crate_is_whole() -> None:
    of = report()
    graph = json.loads(crate(of))["@graph"]
    entities = {each["@id"]: each for each in graph}
    assert len(entities) == len(graph)
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = entities["./"]
    assert root["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    assert {each["@id"] for each in root["hasPart"]} == {"report.html", "report.json"}
    assert {"name", "description", "datePublished", "license"} <= root.keys()
    actions = [each for each in graph if each["@type"] == "CreateAction"]
    assert {each["@id"] for each in root["mentions"]} == {each["@id"] for each in actions}
    assert len(actions) == sum(bool(each.shards_done) for each in of.answers)

    def references(part: object) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(references, part)) if part else set()
        if isinstance(part, dict):
            if part.keys() == {"@id"}:
                return {part["@id"]}
            return set().union(*map(references, part.values()))
        return set()

    outside = {"http://schema.org/CompletedActionStatus", "http://schema.org/ActiveActionStatus"}
    outside.add("https://w3id.org/ro/crate/1.1")
    assert references(graph) <= entities.keys() | outside


def test_the_methods_of_an_evaluation_say_what_its_intervals_take_for_granted() -> None:
    of = report(evaluations=[judged.evaluated(clustered_by="text")])
    unknown_patients = "Patients were not known: notes of different texts were taken as independent"
    assert unknown_patients in sentences(of)
    assert unknown_patients not in sentences(report(evaluations=[judged.evaluated()]))
    assert "Korn and Graubard" in sentences(of)


def test_the_methods_of_an_audit_say_who_read_what_and_how_readers_agree() -> None:
    told = sentences(report(audits=[judged.audited()]))
    assert "420 texts were read, 210 of them by all readers and the others by one; 15 were" in told
    assert "not weighted: agreement 0.93 (95 % interval 0.90 to 0.96), Cohen's kappa 0.42" in told
    assert "Gwet's AC1 0.92" in told


def test_the_methods_of_a_comparison_say_that_p_is_not_corrected() -> None:
    told = sentences(report(comparisons=[judged.compared()]))
    assert "P values are not corrected for their number." in told
