"""`notemill new task NAME`: the files of a task, from five questions or from options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from notemill.cli.given import Command, Given
from notemill.config import Config
from notemill.errors import NotemillError
from notemill.tasks.evidence import TASK_FILE
from notemill.tasks.new import (
    KINDS,
    ROLE,
    UNSURE,
    YES_NO,
    Draft,
    as_answers,
    check_free,
    check_name,
    default_question,
    plain,
    write_task,
)
from notemill.tasks.task import SCHEMA, SYSTEM_PROMPT, USER_PROMPT

_TASKS = Path("config/tasks")
_HOW = {"y": "yes", "yes": "yes", "n": "no", "no": "no", "numbers": "numbers"}
_T = TypeVar("_T")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["task"], help="what to make")
    parser.add_argument("name", metavar="NAME", help="of its folder")
    parser.add_argument(
        "--tasks", type=Path, help=f"folder of the tasks; by default the configuration's, {_TASKS}"
    )
    parser.add_argument("--defaults", action="store_true", help="ask nothing")
    parser.add_argument("--question", help="what is asked about each note")
    parser.add_argument("--role", help="what the model is told that it is")
    parser.add_argument(
        "--answers",
        action="append",
        metavar="ANSWER",
        help=f"a possible answer; once for each, or one of {', '.join(KINDS)}",
    )
    parser.add_argument(
        "--evidence",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the note is quoted",
    )
    parser.add_argument(
        "--numbered-sentences",
        action="store_true",
        help="its sentences are numbered, and the answer names numbers in the place of a quote",
    )
    parser.add_argument(
        "--unsure",
        help="what is answered when the note does not say (a number or text is null then); "
        "'' for nothing",
    )


def _new(given: Given) -> int:
    options = given.arguments
    check_name(options.name)
    config = _config(given)
    folder = options.tasks or (config.tasks if config else _TASKS)
    check_free(folder, options.name)
    asks = not options.defaults and sys.stdin.isatty() and sys.stdout.isatty()
    draft = _draft(options, _asked if asks else _not_asked)
    place = write_task(folder, options.name, draft)
    print(f"\n{place}: {', '.join(_names(place))}")
    print(_next(options.name, folder, config, options.directory))
    return 0


def _names(place: Path) -> list[str]:
    """The files of a new task, in the order in which they are read."""
    names = (SYSTEM_PROMPT, USER_PROMPT, SCHEMA, TASK_FILE)
    return [name for name in names if (place / name).exists()]


def _config(given: Given) -> Config | None:
    """The configuration, None where there is none yet or `--tasks` says what is asked of it."""
    there = given.config_path.exists() or given.arguments.configfile
    return given.config if there and not given.arguments.tasks else None


_Ask = Callable[[str, str, Callable[[list[str]], Any], bool], Any]
"""Of a question, its default, what checks and reads the answer's lines, and whether it has many."""


def _draft(options: argparse.Namespace, ask: _Ask) -> Draft:
    def value(given: list[str] | None, question: str, default: str, read: Callable[[list[str]], _T],
              lines: bool = False) -> _T:  # fmt: skip
        result: _T = read(given) if given is not None else ask(question, default, read, lines)
        return result

    def one(given: str | None) -> list[str] | None:
        return None if given is None else [given]

    def how(typed: list[str]) -> str:
        answer = typed[0].strip().lower()
        if answer not in _HOW:
            raise NotemillError(
                "that is none of them", where="evidence", remedy="write yes, no or numbers"
            )
        return _HOW[answer]

    def unsure(typed: list[str]) -> str:
        typed_text = plain(typed[0], "unsure")
        return "" if typed_text == "-" and options.unsure is None else typed_text

    def text(what: str) -> Callable[[list[str]], str]:
        return lambda typed: _not_empty(plain(typed[0], what), what)

    evidence = None if options.evidence is None else ["yes" if options.evidence else "no"]
    if options.numbered_sentences:
        if options.evidence is False:
            raise NotemillError(
                "numbered sentences are evidence",
                where="--no-evidence --numbered-sentences",
                remedy="leave out one of them",
            )
        evidence = ["numbers"]
    question = value(
        one(options.question),
        "What is asked about each note?",
        default_question(options.name),
        text("question"),
    )
    role = value(one(options.role), "What is the model told that it is?", ROLE, text("role"))
    answers = value(
        options.answers,
        "Which answers are possible? One a line, an empty line behind the last; or one of "
        f"{', '.join(KINDS)}.",
        "/".join(YES_NO),
        as_answers,
        lines=True,
    )
    quoted = value(
        evidence,
        "Is the note to be quoted as evidence? Type numbers for numbered sentences, of which the "
        "answer names the numbers.",
        "yes",
        how,
    )
    is_value = isinstance(answers, str)
    what = value(
        one(options.unsure),
        "What is the answer when the note does not say? Type - if there always is one.",
        "null" if is_value else UNSURE,
        unsure,
    )
    return Draft(question, role, answers, quoted != "no", quoted == "numbers", what)


def _not_empty(text: str, what: str) -> str:
    if not text:
        raise NotemillError(f"{what}: nothing is there", where=what, remedy="say it in words")
    return text


def _not_asked(_: str, default: str, read: Callable[[list[str]], Any], __: bool) -> Any:
    return read([default])


def _asked(question: str, default: str, read: Callable[[list[str]], Any], lines: bool) -> Any:
    """Ask until the answer can be read."""
    print(f"\n{question}\n[{default}]")
    while True:
        try:
            typed = [input("> ")]
            while lines and typed[-1].strip() and typed[0].strip().lower() not in KINDS:
                typed.append(input("> "))
        except EOFError:
            raise NotemillError(
                "the questions ended before the last was answered; nothing was written",
                remedy="answer them all, or use --defaults",
            ) from None
        try:
            return read([line for line in typed if line.strip()] or [default])
        except NotemillError as error:
            print(f"{error.what}: {error.remedy}")


def _next(name: str, folder: Path, config: Config | None, directory: Path | None) -> str:
    there = f" -d {directory}" if directory else ""
    experiment, engine, model = name, "ollama", "llama3.1:8b-instruct-q8_0"
    answers = "results_table: {}_results"
    if config:
        if config.database is None:
            answers = 'outputs: ["answers/{{cohort}}/{}.csv"]'
        first = next(iter(config.experiments.values()))
        engine, model = first.engine, first.model
        if name.lower() in map(str.lower, config.experiments):
            experiment = f"{name[:38]}_2"
    elsewhere = folder != (config.tasks if config else _TASKS)
    return f"""
Next:
1. Read and mend system.md: it is all that the model is told.
2. Put this into the configuration, below `experiments:`\
{f"; and `tasks: {folder}`, if it says otherwise" if elsewhere else ""}

  {experiment}:
    task: {name}
    engine: {engine}
    model: {model}
    {answers.format(experiment)}

3. python -m notemill check{there}
4. snakemake --profile profiles/slurm{there} -- pilot     (without Slurm: profiles/local)"""


COMMAND = Command(_new, _arguments)
