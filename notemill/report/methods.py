"""The methods, to paste: plain sentences, each there only if what it says is known."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report.count import exactly
from notemill.report.numbers import hours, listed
from notemill.report.quality import Audited, Compared, Evaluated, Repeated
from notemill.report.record import (
    Answered,
    CohortRead,
    ExperimentAsked,
    ModelUsed,
    Paragraph,
    Report,
)
from notemill.report.words import day, days, figure, told

_NAMES = {"ollama": "Ollama", "llamacpp": "llama.cpp", "openai": "an OpenAI-compatible server"}


def methods(report: Report) -> list[Paragraph]:
    """All paragraphs that have something to say."""
    paragraphs = [
        *(Paragraph(title=f"Notes: {c.name}", sentences=[*_notes(c)]) for c in report.cohorts),
        *(
            Paragraph(title=f"Model and prompts: {e.name}", sentences=[*_model(e, report)])
            for e in report.experiments
        ),
        *(
            Paragraph(
                title=f"Answers: {name_of(report, a.experiment)} over {a.cohort}",
                sentences=[*_answers(a)],
            )
            for a in report.answers
        ),
        *(
            Paragraph(title=f"Evaluation: {e.name}", sentences=[*_evaluation(e)])
            for e in report.evaluations
        ),
        *(Paragraph(title=f"Audit: {a.name}", sentences=[*_audit(a)]) for a in report.audits),
        *(
            Paragraph(title=f"Comparison: {c.name}", sentences=[*_comparison(c)])
            for c in report.comparisons
        ),
        *(
            Paragraph(
                title=f"Repeatability: {name_of(report, r.experiment)} over {r.cohort}",
                sentences=[*_repeat(r)],
            )
            for r in report.repeats
        ),
        Paragraph(title="Statistics and software", sentences=[*_software(report)]),
    ]
    return [paragraph for paragraph in paragraphs if paragraph.sentences]


def name_of(report: Report, experiment: str) -> str:
    """An experiment's name by its id."""
    return next((e.name for e in report.experiments if e.experiment == experiment), experiment)


def _notes(of: CohortRead) -> Iterator[str]:
    if not of.extracted_at:
        return
    server = f" from {of.server}" if of.server else ""
    how = " by one query" if of.source == "query" else ""
    yield f"Notes were read{server} on {day(of.extracted_at)}{how} and then frozen."
    rows, notes = told(of.rows), told(of.notes)
    if rows and notes:
        gave = "The query gave" if of.source == "query" else "The files have"
        yield f"{gave} {rows} rows, which are {notes} notes."
    if of.collapsed != exactly(0) and (repeated := told(of.collapsed)):
        yield f"Rows that repeated the same identifier with the same text ({repeated}) were merged."
    if of.dropped != exactly(0) and (dropped := told(of.dropped)):
        kept = f"the {of.same_id_different_text} row was kept"
        yield f"Where one identifier had several texts {kept} and {dropped} rows were left out."
    if of.blank != exactly(0) and (blank := told(of.blank)):
        yield f"Notes without text ({blank}) were not sent to the model."
    if (texts := told(of.texts)) and (asked := told(of.asked)):
        yield (
            f"The remaining {asked} notes have {texts} distinct texts; each distinct text was sent "
            "to the model once and its answer taken for all notes with that text."
        )


def _model(of: ExperimentAsked, report: Report) -> Iterator[str]:
    yield from _which_model(of.model)
    engines = listed(of.engines) or _NAMES.get(of.engine_kind, of.engine_kind)
    answers = [each for each in report.answers if each.experiment == of.experiment]
    where = _where(answers)
    yield f"It was run with {engines}{where}; its weights were not changed."
    times = [each.computing for each in answers]
    begun = [each.first_answer_at for each in times if each.first_answer_at]
    ended = [each.last_answer_at for each in times if each.last_answer_at]
    if begun and ended:
        yield f"The model was queried {days(min(begun), max(ended))} (UTC)."
    settings = [f"{name} {value}" for name, value in of.options.items() if name in _SETTINGS]
    if settings:
        yield f"Inference settings were {listed(settings)}."
    made = "made of a system prompt, a user prompt and the note"
    if "note_first" in of.options:
        made = "which held the note and after it the system prompt and the user prompt of one task"
    yield (
        f"Each note was a request of its own, {made}; "
        "no request saw another note, an earlier answer or anything from outside. The prompts are "
        "given word for word."
    )
    yield (
        "Output was constrained to a JSON schema, given word for word, and every answer was "
        "checked against it; what did not fit was not used."
    )
    if (attempts := of.options.get("attempts", "")).isdigit() and int(attempts) > 1:
        yield (
            f"A request whose answer was refused was repeated, at most {attempts} attempts in all, "
            "with a longer limit after a cut, the reason of the refusal, or another seed."
        )


_SETTINGS = (
    *("temperature", "seed", "top_k", "top_p", "min_p", "repeat_penalty"),
    *("num_ctx", "num_predict", "think"),
)


def _which_model(of: ModelUsed) -> Iterator[str]:
    details = of.details
    about = [details[key] for key in ("size", "quantisation") if details.get(key)]
    architecture = details.get("architecture")
    words = [*([f"architecture {architecture}"] if architecture else []), *about]
    digest = f" (sha256 {of.digest})" if of.digest else ""
    yield f"The language model was {of.name}{digest}{': ' if words else ''}{', '.join(words)}."


def _where(answers: list[Answered]) -> str:
    gpus = {gpu for each in answers for gpu in each.computing.gpus}
    if gpus == {"address"}:
        return " at an address on the network"
    kinds = sorted(gpus - {"address"})
    return f" on {listed(kinds)}" if kinds else ""


def _answers(of: Answered) -> Iterator[str]:
    answered, asked = told(of.answered), told(of.asked)
    if of.gate:
        rules = listed([rule.name for rule in of.gate], 8)
        yield (
            f"Before the model, fixed rules ({rules}) settled {told(of.not_relevant) or 'some'} "
            "notes as not relevant, which were not sent."
        )
    if of.gate_sent is not None:
        yield f"Of notes that a rule cut, {of.gate_sent:.0%} of the text was sent on average."
    if asked and of.waiting == of.failed == exactly(0):
        yield f"All {asked} notes sent have a valid answer."
    elif answered and asked and of.waiting == exactly(0):
        yield f"Of {asked} notes sent, {answered} have a valid answer."
    reasons = [f"{words} ({each.name})" for each in of.failed_by if (words := told(each.count))]
    if reasons:
        yield f"Notes without a valid answer were kept as such, by reason: {listed(reasons)}."
    took = of.computing
    if took.gpu_hours:
        energy = f", some {took.kwh:.2g} kWh by the mean draw measured" if took.kwh else ""
        yield f"This took {hours(took.gpu_hours)} of GPU time{energy}."
    elif took.job_hours:
        yield f"This took {hours(took.job_hours)} of computing."
    if of.loaded:
        values = f" ({of.values_compared:,})" if of.values_compared else ""
        yield (
            f"After loading, every value{values} was read back from {of.kept_in} and was equal to "
            "the model's validated answer."
        )
    if of.evidence_found and (found := figure(of.evidence_found)):
        yield f"The quoted evidence was found in the note for a share of {found} of answered notes."


def _evaluation(of: Evaluated) -> Iterator[str]:
    notes, patients = told(of.gold_notes), of.gold_patients and told(of.gold_patients)
    people = f" of {patients} patients" if patients else ""
    if notes:
        yield (
            f"Answers were compared with reference labels of {notes} notes{people} (sha256 "
            f"{of.gold_sha256})."
        )
    if of.headline != "all":
        yield f"Figures are those of the {of.headline} split."
    yield (
        "Figures are given on answered notes, and again with every note without an answer counted "
        "as wrong."
    )
    for field in {field.field: field for each in of.experiments for field in each.fields}.values():
        if field.settled_as is not None:
            yield (
                "There, notes that fixed rules had settled beforehand were taken for "
                f"{field.settled_as} in {field.field}."
            )
    alike = "one patient" if of.clustered_by == "patient" else "one text"
    yield (
        f"Intervals are at {of.level:.0%}; notes of {alike} were resampled together "
        f"({of.draws:,} draws, seed {of.seed})."
    )
    if of.clustered_by == "text":
        yield "Patients were not known: notes of different texts were taken as independent."
    for each in of.experiments:
        pilot = told(each.pilot_notes)
        if each.pilot_notes != exactly(0) and pilot:
            yield (
                f"Of these notes {pilot} had been seen in a pilot of {each.name}; figures without "
                "them are given."
            )
        if each.earlier:
            yield (
                f"{len(each.earlier)} earlier version(s) of {each.name} had been evaluated on the "
                "same labels before."
            )


def _audit(of: Audited) -> Iterator[str]:
    yield (
        f"A probability sample of texts, drawn in strata by the model's answer on "
        f"{day(of.drawn_at)} (seed {of.seed}), was read by {of.readers} reader(s) who did not see "
        "the model's answers."
    )
    yield _read(of)
    for each in of.between_readers:
        measures = (
            ("agreement", each.agreement),
            ("Cohen's kappa", each.kappa),
            ("Gwet's AC1", each.ac1),
        )
        if words := [f"{name} {said}" for name, of_two in measures if (said := figure(of_two))]:
            first, second = each.readers
            yield (
                f"Between readers {first} and {second}, of texts as they were drawn and not "
                f"weighted: {listed(words)}."
            )
    yield (
        "Figures of the whole cohort are weighted by the notes of each stratum, with intervals "
        f"from Jeffreys draws in each stratum ({of.draws:,} draws)."
    )


def _read(of: Audited) -> str:
    texts = sum(each.drawn.low for each in of.strata)
    shared = sum(each.shared.low for each in of.strata)
    words = f"{texts:,} texts were read"
    if of.readers > 1:
        words += f", {shared:,} of them by all readers and the others by one"
        words += f"; {told(of.adjudicated)} were settled by a third look"
    return f"{words}."


def _comparison(of: Compared) -> Iterator[str]:
    what = [each.part for each in of.differences if each.diff]
    differ = f"; they differ in {listed(what)}" if what else ""
    yield f"{of.first.name} and {of.second.name} were compared on the same notes{differ}."
    yield (
        "Agreement is given with Cohen's kappa and Gwet's AC1; paired differences with an exact "
        f"McNemar test and intervals by resampling ({of.draws:,} draws, seed {of.seed})."
    )
    yield "P values are not corrected for their number."


def _repeat(of: Repeated) -> Iterator[str]:
    texts = told(of.texts)
    if not texts:
        return
    seeds = "the same seed" if of.seed == "same" else "other seeds"
    yield (
        f"To handle stochasticity, a random sample of {texts} texts was asked again "
        f"{len(of.seeds)} time(s) with {seeds} at temperature {of.temperature:g}, by an engine "
        "started anew."
    )
    if same := figure(of.same):
        yield f"The whole answer stayed the same in a share of {same}."


def _software(report: Report) -> Iterator[str]:
    versions = [f"{name} {version}" for name, version in report.libraries.items()]
    yield f"The workflow was notemill {report.notemill}{_with(versions)}."
    if report.evaluations or report.audits or report.comparisons:
        yield (
            f"Intervals are at {report.level:.0%}: Wilson's for proportions of independent notes; "
            "where notes share a patient or a text, the widest of Wilson's, of resampled clusters "
            "and of Wilson's at the effective sample size (Korn and Graubard); kappa, AC1 and "
            "macro F1 from seeded Dirichlet draws; means by Student's t over clusters; strata by "
            f"seeded Beta draws ({report.draws:,} draws)."
        )


def _with(versions: list[str]) -> str:
    return f" with {listed(versions)}" if versions else ""
