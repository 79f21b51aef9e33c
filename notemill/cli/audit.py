"""`notemill audit`: a sample of a finished run for readers, and what their readings say."""

from __future__ import annotations

import argparse
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from notemill.answers.finished import Finished, finished
from notemill.audit.allocation import Wanted, half_width
from notemill.audit.draw import Asked, Sizes, draw, sizes_of
from notemill.audit.folder import Folder, folder_of
from notemill.audit.key import ADJUDICATOR
from notemill.audit.labels import chosen_field
from notemill.audit.read import State, read_audit
from notemill.audit.record import AuditDesign, AuditEstimate, Estimated
from notemill.cli.given import Command, Given
from notemill.cli.looked_at import Looked, looked_at
from notemill.config.base import NAME_PATTERN
from notemill.errors import NotemillError
from notemill.notes.manifest import read_frozen
from notemill.paths import cut_name
from notemill.statistics.figure import Figure

_PRECISION = 0.05
_SHARED = 0.2
_MOST_TEXTS = 20_000


def _draw(given: Given) -> int:
    options, console = given.arguments, Console(highlight=False)
    run = _finished(looked_at(given.config, options.cohort, options.experiment))
    asked = _asked(run, options)
    if options.dry_run:
        _print_sizes(run, asked, sizes_of(run, asked), console)
        return 0
    design = draw(run, asked)
    folder = folder_of(run.layout, run.cohort, run.run.experiment_id, asked.name)
    _print_design(design, folder, console)
    return 0


def _read(given: Given) -> int:
    options, console = given.arguments, Console(highlight=False)
    sheets = [path.absolute() for path in options.sheets]  # --directory leads elsewhere
    looked = looked_at(given.config, options.cohort, options.experiment)
    folder = folder_of(looked.layout, looked.cohort, looked.experiment_id, options.name)
    run: Callable[[], Finished] | None = (lambda: _finished(looked)) if looked.run else None
    _print_state(read_audit(looked.layout, looked.cohort, folder, sheets, run), console)
    return 0


def _finished(looked: Looked) -> Finished:
    """The run, whole. Raises NotemillError until it is."""
    if looked.run is None:
        raise NotemillError(
            f"what {looked.experiment_id} asked is not known any more: its task is another by now",
            where="experiments and tasks of the configuration",
            remedy="set the task back to what it was, and draw then",
        )
    frozen = read_frozen(looked.layout.frozen(looked.cohort))
    if frozen is None:
        raise looked.nothing_yet()
    return finished(looked.layout, looked.cohort, looked.run, cut_name(frozen.cut))


def _asked(run: Finished, options: argparse.Namespace) -> Asked:
    readers = options.readers
    sizes = dict(options.size)
    precision = options.precision
    if options.texts is None and precision is None:
        precision = _PRECISION
    shared = options.shared if len(readers) > 1 else 0.0
    seed = secrets.randbits(53) if options.seed is None else options.seed
    wanted = Wanted(sizes, options.texts, precision)
    field = chosen_field(run.run.task, options.field)
    return Asked(options.name, field, readers, wanted, shared, seed)


def _print_sizes(run: Finished, asked: Asked, sizes: Sizes, console: Console) -> None:
    table = Table(title=f"{run.run.experiment_id} over {run.cohort}: {asked.field}")
    for name in ("stratum", "notes", "texts", "to be read"):
        table.add_column(name, justify="left" if name == "stratum" else "right")
    counts = sizes.population.strata
    for name, ending in sizes.names.items():
        its = counts[ending]
        table.add_row(name, str(its.notes), str(its.texts), str(sizes.sizes[ending]))
    console.print(table)
    width = half_width(counts, sizes.sizes)
    console.print(
        f"{sum(sizes.sizes.values())} texts; the accuracy would be told within "
        f"{width:.3f}, were four answers in five right. Nothing was drawn."
    )


def _print_design(design: AuditDesign, folder: Folder, console: Console) -> None:
    table = Table(title=f"audit {design.name}: {design.field} of {design.experiment}")
    for name in ("stratum", "notes", "texts", "drawn", "read by all"):
        table.add_column(name, justify="left" if name == "stratum" else "right")
    for stratum in design.strata:
        numbers = (stratum.notes, stratum.texts, stratum.drawn, stratum.shared)
        table.add_row(stratum.name, *map(str, numbers))
    console.print(table)
    for reader in design.readers:
        console.print(f"{folder.sheet(reader)}: {design.read_by[reader]} texts", soft_wrap=True)
    console.print(
        f"Seed {design.seed}. Give each reader the sheet of that name, and nothing else of this "
        "folder: key.json has the model's answers. Then: notemill audit read",
        soft_wrap=True,
    )


def _print_state(state: State, console: Console) -> None:
    for sheet in state.sheets:
        console.print(f"{sheet.whose}: {sheet.answered} of {sheet.texts} texts are read")
    for pair in state.between_readers:
        console.print(
            f"{' and '.join(pair.readers)}, {sum(map(sum, pair.table))} texts of both, as drawn: "
            f"agreement {_words(pair.agreement)}; kappa {_words(pair.kappa)}; "
            f"AC1 {_words(pair.ac1)}",
            soft_wrap=True,
        )
    for each in state.with_model:
        console.print(
            f"{each.reader} and the model, answered notes, weighted: agreement "
            f"{_words(each.agreement)}; cannot tell: {each.cannot_tell} of {each.texts} texts",
            soft_wrap=True,
        )
    if state.estimate:
        _print_estimate(state.estimate, console)
        console.print(str(state.folder.estimate), soft_wrap=True)
    elif state.between_readers or any(sheet.whose == ADJUDICATOR for sheet in state.sheets):
        console.print(
            f"No estimate yet: fill {state.folder.adjudication} (what readers disagree about) and "
            "run this again.",
            soft_wrap=True,
        )
    else:
        console.print("No estimate yet: a reader's sheet is not whole, and none is taken in part.")


def _print_estimate(result: AuditEstimate, console: Console) -> None:
    untold = result.cannot_tell
    console.print(f"settled by a third look: {result.adjudicated} texts")
    console.print(f"cannot be told: {_words(untold)} of the notes, which are in no figure")
    if untold.value:
        console.print(f"accuracy, were they all wrong: {_words(result.accuracy_if_untold_wrong)}")
    console.print(_figures("Answered notes", result.answered))
    if any(stratum.answer is None for stratum in result.strata):
        console.print(_figures("All notes, those without an answer as wrong", result.all))
    for remark in result.remarks:
        console.print(remark, soft_wrap=True)


def _figures(title: str, estimated: Estimated) -> Table:
    table = Table(title=f"{title}: accuracy {_words(estimated.accuracy)}", box=SIMPLE)
    names = ("prevalence", "sensitivity", "specificity", "ppv", "npv")
    table.add_column("")
    for name in names:
        table.add_column(name, min_width=len("sensitivity"))
    for each in estimated.classes:
        table.add_row(each.label, *(_words(getattr(each, name)) for name in names))
    return table


def _words(figure: Figure) -> str:
    if figure.value is None:
        return f"– ({figure.why})"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f} ({figure.why})"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _arguments(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="which", required=True)
    drawing = steps.add_parser("draw", help="draw a sample, and write a sheet for each reader")
    reading = steps.add_parser("read", help="take the filled sheets back, and tell what they say")
    for step, run in ((drawing, _draw), (reading, _read)):
        step.add_argument("cohort", metavar="COHORT", help="as in the configuration")
        step.add_argument(
            "experiment", metavar="EXPERIMENT", help="its name in the configuration, or its id"
        )
        step.add_argument(
            "--name", type=_name, default="audit", help="of the audit; by default %(default)s"
        )
        for words in (["--configfile"], ["--directory", "-d"]):
            step.add_argument(*words, type=Path, default=argparse.SUPPRESS, help="as above")
        step.set_defaults(step=run)
    reading.add_argument(
        "sheets",
        metavar="SHEET",
        nargs="*",
        type=Path,
        help="filled sheets: XLSX, CSV, or Label Studio's JSON; those in the audit's folder are "
        "read without being named",
    )
    _drawing_arguments(drawing)


def _drawing_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--field", help="of the answer; needed where several are choices")
    parser.add_argument(
        "--readers", type=_readers, required=True, help="names, such as ana,ben: a sheet each"
    )
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument("--texts", type=_texts, help="to be read in total")
    how_many.add_argument(
        "--precision",
        type=_precision,
        help=f"half the width of the accuracy's interval; by default {_PRECISION}",
    )
    parser.add_argument(
        "--size",
        type=_size,
        action="append",
        default=[],
        metavar="STRATUM=TEXTS",
        help="texts of one stratum, or `all`; the others as before; can be given again",
    )
    parser.add_argument(
        "--shared",
        type=_share,
        default=_SHARED,
        help="of the texts, that all readers get; by default %(default)s",
    )
    parser.add_argument(
        "--seed", type=int, help="the same one draws the same texts; by default a new one"
    )
    parser.add_argument(
        "--dry-run", "-n", action="store_true", help="print the strata and sizes, draw nothing"
    )


def _name(word: str) -> str:
    if not re.match(NAME_PATTERN, word):
        raise argparse.ArgumentTypeError("a letter, then letters, digits and underscores")
    return word


def _readers(words: str) -> list[str]:
    readers = [_name(word) for word in words.split(",")]
    lower = [reader.lower() for reader in readers]
    if len(set(lower)) < len(lower) or ADJUDICATOR in lower:
        raise argparse.ArgumentTypeError(f"names that differ, none of them {ADJUDICATOR}")
    return readers


def _texts(word: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word) in range(1, _MOST_TEXTS + 1)):
        raise argparse.ArgumentTypeError(f"a number from 1 to {_MOST_TEXTS}")
    return int(word)


def _size(words: str) -> tuple[str, int | None]:
    name, _, size = words.rpartition("=")
    if size == "all":
        return name, None
    if not (size.isascii() and size.isdigit() and int(size) <= _MOST_TEXTS):
        raise argparse.ArgumentTypeError(f"STRATUM=N, N up to {_MOST_TEXTS}, or STRATUM=all")
    return name, int(size)


def _share(word: str) -> float:
    try:
        share = float(word)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("a number from 0 to 1")
    return share


def _precision(word: str) -> float:
    precision = _share(word)
    if not precision:
        raise argparse.ArgumentTypeError("a number above 0, such as 0.05")
    return precision


def _audit(given: Given) -> int:
    status: int = given.arguments.step(given)
    return status


COMMAND = Command(_audit, _arguments)
