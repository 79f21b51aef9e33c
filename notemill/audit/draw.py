"""Draw a sample of a finished run's texts, and write the sheets in which they are read."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from notemill import __version__
from notemill.answers.finished import Finished
from notemill.audit.allocation import Wanted, allocated, for_precision
from notemill.audit.exports import write_label_studio, write_labeling_config, write_lines
from notemill.audit.folder import Folder, folder_of
from notemill.audit.key import ADJUDICATOR, AuditKey, KeyText, dealt, row_ids
from notemill.audit.labels import apart, labels_of
from notemill.audit.population import Drawn, Ending, Population, choose, count
from notemill.audit.record import AuditDesign, StratumDrawn
from notemill.audit.sheet import Guide, Row, part_digest, parts_of, write_sheet
from notemill.clock import now
from notemill.errors import NotemillError
from notemill.files import explained, private_folder
from notemill.leftovers import aside, clear
from notemill.notes.purged import unless_purged
from notemill.tasks.task import NOTE_PLACE

_FOUND = {"found": ", evidence found", "not_found": ", evidence not found", None: ""}


@dataclass(frozen=True)
class Asked:
    """What is to be drawn. name: of the audit; field: a choice of the answer's."""

    name: str
    field: str
    readers: Sequence[str]
    wanted: Wanted
    shared: float
    seed: int


@dataclass(frozen=True)
class Sizes:
    """A run's strata, by their names, and how many texts of each are read."""

    population: Population
    names: Mapping[str, Ending]
    sizes: Mapping[Ending, int]


def sizes_of(run: Finished, asked: Asked) -> Sizes:
    """Count the run and say how many texts of each stratum are read. Raises NotemillError."""
    labels = labels_of(run.run.task, asked.field)
    population = count(run, asked.field)
    if not population.strata:
        raise NotemillError(
            f"no note of cohort '{run.cohort}' was asked: all {population.blank} are blank",
            where=f"{run.run.experiment_id} over {run.cohort}",
            remedy="name another cohort",
        )
    nothing, settled = apart("no answer", labels), apart("not relevant", labels)
    order = {label: place for place, label in enumerate(labels)}
    endings = sorted(
        population.strata,
        key=lambda each: (
            each.settled,
            order.get(each.answer or "", len(order)),
            each.evidence or "",
        ),
    )
    names = {
        settled if each.settled else (each.answer or nothing) + _FOUND[each.evidence]: each
        for each in endings
    }
    return Sizes(population, names, _sizes(population, names, asked.wanted))


def draw(run: Finished, asked: Asked) -> AuditDesign:
    """Draw the sample and write everything into the audit's folder, whole or not at all."""
    folder = folder_of(run.layout, run.cohort, run.run.experiment_id, asked.name)
    _refuse_again(folder)
    sizes = sizes_of(run, asked)
    chosen = choose(run, asked.field, sizes.sizes, sizes.population.strata, asked.seed)
    strata = [chosen.get(ending, []) for ending in sizes.names.values()]
    who = dealt(strata, asked.readers, asked.shared, asked.seed)
    texts = dict(run.texts(who.keys()))
    key = _key(run, asked, strata, who, texts)
    design = _design(run, asked, sizes, key)
    partial = aside(folder.path)
    with unless_purged(run.layout, run.cohort, folder.path), explained(folder.path):
        clear(private_folder(folder.path.parent))
        try:
            private_folder(partial)
            _write(Folder(partial), design, key, texts, guide_of(design, key))
            _refuse_again(folder)
            partial.rename(folder.path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return design


def _refuse_again(folder: Folder) -> None:
    if folder.path.exists():
        raise NotemillError(
            f"audit '{folder.path.name}' was drawn already",
            where=str(folder.path),
            remedy="draw another with another --name: it is a sample of its own, in which texts of "
            "this one may come again; or remove that folder with all that was read",
        )


def guide_of(design: AuditDesign, key: AuditKey) -> Guide:
    """What readers are told."""
    return Guide(
        title=f"Reading of cohort {design.cohort}",
        field=design.field,
        words=key.question,
        choices=[*design.choices, design.cannot_tell],
    )


def _sizes(
    population: Population, names: Mapping[str, Ending], wanted: Wanted
) -> dict[Ending, int]:
    given = {}
    for name, size in wanted.sizes.items():
        if name not in names:
            raise NotemillError(
                f"there is no stratum '{name}'",
                where="--size",
                remedy=f"name one of these: {'; '.join(names)}",
            )
        texts = population.strata[names[name]].texts
        if size is not None and size > texts:
            raise NotemillError(
                f"stratum '{name}' has {texts} texts, not {size}",
                where="--size",
                remedy=f'write --size "{name}=all" to have it read whole',
            )
        given[names[name]] = texts if size is None else size
    others = {key: each for key, each in population.strata.items() if key not in given}
    if not others:
        return given
    if wanted.texts is not None:
        left = wanted.texts - sum(given.values())
        if left < len(others):
            raise NotemillError(
                f"{wanted.texts} texts are too few for {len(population.strata)} strata",
                where="--texts",
                remedy="name a larger number; it counts those of --size too",
            )
        return given | allocated(others, left)
    if wanted.precision is None:
        raise NotemillError(
            f"of {len(others)} strata it is not said how many texts are read",
            where="--size",
            remedy="add --texts or --precision",
        )
    return given | for_precision(others, wanted.precision)


def _key(
    run: Finished,
    asked: Asked,
    strata: Sequence[Sequence[Drawn]],
    who: Mapping[str, list[str]],
    texts: Mapping[str, str],
) -> AuditKey:
    audit = f"{run.cohort}/{run.run.experiment_id}/{asked.name}"
    rows = row_ids(who, asked.seed, audit)
    key = [
        KeyText(
            text_sha256=drawn.text_sha256,
            stratum=place,
            notes=drawn.notes,
            certain=drawn.certain,
            rows={
                reader: rows[drawn.text_sha256, reader]
                for reader in (*who[drawn.text_sha256], ADJUDICATOR)
            },
            parts=[part_digest(part) for part in parts_of(texts[drawn.text_sha256])],
        )
        for place, stratum in enumerate(strata)
        for drawn in stratum
    ]
    task = run.run.task
    question = [task.system_prompt, task.user_prompt.removesuffix(NOTE_PLACE)]
    return AuditKey(question=question, texts=sorted(key, key=lambda each: each.text_sha256))


def _design(run: Finished, asked: Asked, sizes: Sizes, key: AuditKey) -> AuditDesign:
    labels = labels_of(run.run.task, asked.field)
    strata = []
    for place, (name, ending) in enumerate(sizes.names.items()):
        its = [text for text in key.texts if text.stratum == place]
        counted = sizes.population.strata[ending]
        strata.append(
            StratumDrawn(
                name=name,
                answer=ending.answer,
                evidence=ending.evidence,
                settled=ending.settled,
                notes=counted.notes,
                texts=counted.texts,
                drawn=len(its),
                certain=sum(text.certain for text in its),
                shared=sum(all(reader in text.rows for reader in asked.readers) for text in its)
                if len(asked.readers) > 1
                else 0,
            )
        )
    return AuditDesign(
        name=asked.name,
        cohort=run.cohort,
        experiment=run.run.experiment_id,
        field=asked.field,
        choices=labels,
        cannot_tell=apart("cannot tell", labels),
        readers=list(asked.readers),
        read_by={reader: len(key.of(reader)) for reader in asked.readers},
        seed=asked.seed,
        allocation=asked.wanted.words(),
        shared=asked.shared if len(asked.readers) > 1 else 0.0,
        notes=sizes.population.notes,
        texts=sizes.population.texts,
        blank=sizes.population.blank,
        strata=strata,
        notes_digest=run.manifest.digest,
        answers_digest=sizes.population.digest,
        drawn_at=now(),
        notemill=__version__,
    )


def _write(
    folder: Folder, design: AuditDesign, key: AuditKey, texts: Mapping[str, str], guide: Guide
) -> None:
    key.write(folder.key)
    for reader in design.readers:
        its = key.sheet_order(reader, key.of(reader), design.seed)
        rows = [Row(text.rows[reader], texts[text.text_sha256]) for text in its]
        write_sheet(folder.sheet(reader), guide, rows)
        write_label_studio(folder.label_studio(reader), rows)
        write_lines(folder.lines(reader), rows)
    write_labeling_config(folder.labeling_config, guide)
    design.write(folder.design)
