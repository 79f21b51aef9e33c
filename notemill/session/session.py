"""notemill.Session: an experiment tried on a DataFrame of notes."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import weakref
from collections.abc import Hashable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notemill.answers.columns import evidence_columns, gate_columns, gate_values
from notemill.answers.grading import grade
from notemill.answers.outcome import Outcome
from notemill.answers.shard import blank_outcome, settled_outcome
from notemill.errors import NotemillError
from notemill.logs import debugging
from notemill.notes.text import TextState
from notemill.session.asked import Changes, read_asked
from notemill.session.frame import Beside, answered, check_frame, texts_of
from notemill.session.progress import AskingProgress, shown
from notemill.session.work import Work
from notemill.tasks.gate import WHOLE

if TYPE_CHECKING:
    import pandas as pd

_REDRAW_S = 0.2


class Session:
    """An experiment of a configuration, to try on notes in a DataFrame; docs/session.md.

    >>> with notemill.Session("config/config.yaml", experiment="pneumonia") as session:
    ...     answers = session.ask(notes, text="note_text")

    Asks as a job of the workflow does: the same engine, proven, the same attempts and checks. It
    writes no results: nothing that is asked here counts as asked in the workflow.

    config: the configuration's file. directory: where its path and the relative ones in it begin;
    the current folder.
    system_prompt, user_prompt: in the place of the task's files; the user's ends with {note}.
    options: in the place of the experiment's of the same names, {"temperature": 0.2}.
    threads: CPU threads for the engine; all that this process may use.
    progress: whether to show a bar.

    Raises NotemillError for what can't be asked. The engine starts with the first `ask` that has a
    text to ask.
    """

    def __init__(
        self,
        config: str | Path = "config/config.yaml",
        *,
        experiment: str,
        directory: str | Path = ".",
        system_prompt: str | None = None,
        user_prompt: str | None = None,
        options: Mapping[str, Any] | None = None,
        threads: int | None = None,
        progress: bool = True,
    ) -> None:
        folder = Path(directory).expanduser().absolute()
        changes = Changes(system_prompt, user_prompt, options)
        self._asked = read_asked(folder / Path(config).expanduser(), folder, experiment, changes)
        self._threads = threads or len(os.sched_getaffinity(0))
        self._progress = progress
        self._work: Work | None = None
        self._one_work = threading.Lock()
        self._closed = False

    @property
    def experiment_id(self) -> str:
        """NAME-FINGERPRINT of what is asked: what the workflow would name it, changes included."""
        return self._asked.run.experiment_id

    @property
    def system_prompt(self) -> str:
        """The system prompt that is asked with."""
        return self._asked.run.task.system_prompt

    @property
    def user_prompt(self) -> str:
        """The user prompt that is asked with; the note takes the place of {note}."""
        return self._asked.run.task.user_prompt

    @property
    def options(self) -> dict[str, Any]:
        """The options that are asked with."""
        return self._asked.run.experiment.options.as_sent()

    def ask(self, frame: pd.DataFrame, text: Hashable = "note_text") -> pd.DataFrame:
        """Ask about the text of each row; returns the frame with answers beside it.

        frame: any columns and index, which come back as they are. text: the column of texts; None,
        NaN and blank ones are not asked (status `blank`), nor those that the task's gate settles
        (`not_relevant`). Equal texts are asked once, and so are
        those of an earlier `ask` of this session that were answered.

        The new columns are those of the results and failures tables (docs/data-model.md): the
        answer's fields, missing where `status` is not `answered`, then status, detail, attempts,
        tokens and so on, where the task names evidence its grade and place, and where it has a gate
        what that did.

        Raises NotemillError for a frame that can't be asked, and when the engine can't be started
        or stays away; answers until then are kept for the next `ask`, as they are on an interrupt
        (Ctrl-C, a notebook's stop button).
        """
        self._check_open()
        columns = self._asked.columns
        evidence, gate = self._asked.run.task.evidence, self._asked.run.task.gate
        of_evidence, of_gate = evidence_columns(evidence), gate_columns(gate)
        check_frame(frame, text, [*columns, *of_evidence, *of_gate])
        notes = texts_of(frame, text)
        shas = [note.sha256.hex() if note.state is TextState.OK else None for note in notes]
        texts = {
            sha: note.text
            for sha, note in zip(shas, notes, strict=True)
            if sha is not None and note.text is not None
        }
        gated = {sha: gate.gated(note) if gate else WHOLE for sha, note in texts.items()}
        asked = {sha: note for sha, note in texts.items() if not gated[sha].settled}
        outcomes = self._outcomes(asked) if asked else {}
        outcomes |= dict.fromkeys(texts.keys() - asked.keys(), settled_outcome())
        blank = blank_outcome()
        rows = [blank if sha is None else outcomes[sha] for sha in shas]
        gradings = {
            sha: grade(texts[sha], outcome.answer, evidence, gated[sha])
            for sha, outcome in outcomes.items()
            if evidence and outcome.answer is not None
        }
        graded = [None if sha is None else gradings.get(sha) for sha in shas]
        further: list[Beside] = [
            (of_evidence, [each.values() if each else None for each in graded]),
            (
                of_gate,
                [None if sha is None else gate_values(gated[sha], len(texts[sha])) for sha in shas],
            ),
        ]
        return answered(frame, rows, columns, further)

    def close(self) -> None:
        """End the engine. Without it, it ends with the session's last reference, or with Python."""
        self._closed = True
        with self._one_work:
            if self._work:
                self._work.end(wait=True)

    def __enter__(self) -> Session:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<notemill.Session {self.experiment_id}, {state}>"

    def _outcomes(self, texts: dict[str, str]) -> dict[str, Outcome]:
        work = self._begun()
        progress = AskingProgress("texts", total=len(texts))
        future = work.ask(texts, progress)
        try:
            with shown(progress) if self._progress else nullcontext(lambda last: None) as draw:
                while work.alive and not concurrent.futures.wait([future], _REDRAW_S).done:
                    draw(False)
        except BaseException:  # KeyboardInterrupt
            future.cancel()
            raise
        if not future.done() or future.cancelled():
            self._closed = True
            self._check_open()
        try:
            return future.result()
        except NotemillError as error:
            if work.engine_log.exists() and str(work.engine_log) not in str(error):
                error.add_note(f"  the engine's log: {work.engine_log}")
            if debugging():
                raise
            raise error.with_traceback(None) from None  # the message tells all

    def _begun(self) -> Work:
        with self._one_work:
            self._check_open()
            if self._work is None:
                self._work = Work(self._asked, self._threads)
                # Python's end is seen to in work.py: this one may come at any time, so it must not
                # wait.
                weakref.finalize(self, self._work.end).atexit = False
            return self._work

    def _check_open(self) -> None:
        if self._closed:
            raise NotemillError(
                "the session is closed",
                where=f"Session of {self.experiment_id}",
                remedy="make a new one; ask inside its `with` block, or before its close()",
            )
