"""The stage: an experiment's answers over a cohort to where they go, tables, files or both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from notemill.answers.shard import ShardOrigin
from notemill.config import Cohort, Database
from notemill.config.outputs import form_of
from notemill.files import sha256_of_file, written_whole
from notemill.load.loader import load, report_of
from notemill.load.rehearsal import TablesReport, prepare_tables
from notemill.load.report import LoadReport, Output
from notemill.load.work import Load, checked_origins
from notemill.logs import log
from notemill.notes.sources.rows import read_again
from notemill.outputs.csv import Csv
from notemill.outputs.delivered import Delivered, edition, output_paths
from notemill.outputs.forms import Form
from notemill.outputs.jsonl import JsonLines, Source, SourceMembers
from notemill.outputs.origin import known, origin_of, tells_of
from notemill.outputs.parquet import Parquet
from notemill.outputs.proof import prove
from notemill.outputs.rows import OrderedRows
from notemill.outputs.source import beside, joined
from notemill.paths import Layout, origin_of_output


class _AsItWas(Exception):
    """The file that is there is the very one."""


def prepare(database: Database | None, work: Load) -> TablesReport:
    """Before any GPU: make or check the tables, and look whether the files can be written.

    Raises NotemillError for what would stop the load.
    """
    paths = output_paths(work.run, work.manifest.cohort)
    for path in paths:
        known(path.resolve(), work)
    outputs = [str(path) for path in paths]
    if work.run.experiment.results_table is not None:
        assert database is not None
        return prepare_tables(database, work).model_copy(update={"outputs": outputs})
    return TablesReport(
        cohort=work.manifest.cohort,
        experiment=work.run.experiment_id,
        results_table=None,
        failures_table=None,
        experiments_table=None,
        server=None,
        values_compared=0,
        outputs=outputs,
    )


def deliver(database: Database | None, work: Load, layout: Layout, cohort: Cohort) -> LoadReport:
    """Load into the tables, write the files, and prove both. Repeating it changes nothing.

    Raises NotemillError as `load` does, for a file that is someone else's, and for one that is not
    read back as it was written; files that are there stay as they are then.
    """
    started = time.monotonic()
    report = None
    if work.run.experiment.results_table is not None:
        assert database is not None
        report = load(database, work)
    paths = output_paths(work.run, work.manifest.cohort)
    if not paths and report:
        return report
    number = edition(layout, work.manifest.cohort, work.run)
    origins = checked_origins(work)
    with OrderedRows(work, layout) as rows:
        outputs = [_written(path, work, origins, rows, cohort) for path in paths]
        proof = rows.proof
    delivered = Delivered(edition=number, outputs=[str(path) for path in paths])
    delivered.write(layout.delivered(work.manifest.cohort, work.run.experiment_id))
    if report is None:
        report = report_of(work, origins, proof, 0.0)
    return report.model_copy(
        update={
            "outputs": outputs,
            "values_compared": report.values_compared
            + sum(output.values_compared for output in outputs),
            "load_seconds": round(time.monotonic() - started, 1),
        }
    )


def _written(
    path: Path, work: Load, origins: list[ShardOrigin], rows: OrderedRows, cohort: Cohort
) -> Output:
    """One file: written aside, proven, and put in its place unless it is there already."""
    place = path.resolve()
    before = known(place, work)
    form, kind = _form(place, rows, work, cohort), form_of(place)
    try:
        with written_whole(place) as partial:
            form.write(partial, form.made(rows.batches()))
            values = prove(partial, form, form.made(rows.batches()), path)
            sha256 = sha256_of_file(partial)
            if sha256 != before or not tells_of(place, sha256):
                # First: a kill between both leaves a file that is known by what it replaces.
                told = origin_of(place, kind, sha256, before, values, work, origins, rows)
                told.write(origin_of_output(place))
            if sha256 == before:
                raise _AsItWas
    except _AsItWas:
        log.info("%s holds these very rows already; it was not written", path)
    else:
        log.info(
            "wrote %s: %d rows, %d values read back and equal%s",
            path,
            rows.proof.counts.total(),
            values,
            "" if before is None else "; in the place of what an earlier load had written",
        )
    return Output(
        path=str(path),
        form=kind,
        sha256=sha256,
        rows=rows.proof.counts.total(),
        in_order=rows.in_order,
        values_compared=values,
    )


def _form(path: Path, rows: OrderedRows, work: Load, cohort: Cohort) -> Form:
    match form_of(path):
        case "parquet":
            return Parquet(path, rows.schema)
        case "csv":
            return Csv(path, rows.schema)
    in_json = [column.column for column in rows.columns if column.kind == "json"]
    return JsonLines(path, rows.schema, rows.id_names, in_json, _source(rows, work, cohort))


def _source(rows: OrderedRows, work: Load, cohort: Cohort) -> Source | None:
    """What the cohort's files have beside ids and text; a query's rows have nothing more."""
    read = work.manifest.files
    if read is None:
        return None
    ids = [] if read.numbered else cohort.id_columns
    left_out = {*ids} if read.messages else {*ids, cohort.text_column}
    taken = set(rows.schema.names)

    def rows_again() -> Iterator[SourceMembers]:
        for row in read_again(work.manifest.cohort, cohort, read):
            assert row.whole is not None
            yield row.ids, joined(beside(row.whole, left_out, taken, messages=read.messages))

    return rows_again
