"""A round: the command is given, victims are hit, the runbook is followed, the end is judged."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.chaos.invariants import Breach, Found, as_json, breaches
from tests.chaos.journals import read_journals
from tests.chaos.ledger import by_victim, read_ledger
from tests.chaos.leftovers import leftovers
from tests.chaos.notes import Ending, Id, questions, right_endings, sha256
from tests.chaos.plan import STAGES, Plan, Step
from tests.chaos.project import COHORT, SERVERS, ChaosProject
from tests.chaos.rows import read_counts, read_rows
from tests.chaos.site import Site
from tests.chaos.victims import Hit, Seen, hit
from tests.servers.daemon import ServerFailed
from tests.servers.slurm import CommandFailed

_TICK_S = 0.05
_LOOK_S = 0.7
_WAIT_S = 10.0
"""For a step's moment; then it is any moment."""
_NOBODY_S = 4.0
"""How long a step waits for somebody to hit."""
_MOST_RUNS = 20
_MOST_S = 1500.0
_LOCKED = "cannot be locked"
Right = dict[str, dict[Id, Ending]]


@dataclass
class Round:
    """say: takes a line about what happens. right: how notes end; by default as the notes say."""

    folder: Path
    plan: Plan
    site: Site
    say: Callable[[str], None]
    right: Right | None = None
    hits: list[Hit] = field(default_factory=list, init=False)
    record: dict[str, Any] = field(default_factory=dict, init=False)

    def run(self) -> dict[str, Any]:
        """The round's part of the file of all rounds; breaches are in it."""
        self.folder.mkdir(parents=True)
        self.project = ChaosProject(self.folder, self.plan, self.site)
        self._user = random.Random(f"user {self.plan.seed} {self.plan.number}")
        self._mends: list[tuple[float, Hit, Callable[[], object]]] = []
        self._steps = list(self.plan.steps)
        self._moment_at: float | None = None
        self._begun_waiting = self._looked = time.monotonic()
        self._servers: list[str] = []
        self._seen_nodes = self._kept = 0.0
        self._blamed: dict[str, dict[str, int]] = {"runs again": {}, "by hand": {}}
        begun, self._begun_at = time.monotonic(), time.time()
        try:
            ended = self._until_done(begun)
            seconds = time.monotonic() - begun
            found = self._judge() if ended else [Breach("never ended", self._last_words())]
        finally:
            self._end_all()
        self.record |= {
            "seed": self.plan.seed,
            "round": self.plan.number,
            "kind": self.plan.kind,
            "planned": len(self.plan.steps),
            "seconds": round(seconds, 1),
            "runs": self.project.runs,
            "hits": [self._told(each) for each in self.hits],
            "rows": self.record.get("rows", 0),
            "asked again": self.record.get("asked again", {}),
            "breaches": [as_json(each) for each in found],
            **self._blamed,
        }
        return self.record

    @property
    def rows(self) -> Right:
        """How every note ended, for rounds whose right answers are an undisturbed round's."""
        ended: Right = {}
        for row in read_rows(self.project.database):
            values = Ending(row.status, row.response, row.explanation)
            ended.setdefault(row.experiment, {})[row.id] = values
        return ended

    def _until_done(self, begun: float) -> bool:
        """Whether the command has ended well at last."""
        self._driver = self.project.start_driver()
        while time.monotonic() - begun < _MOST_S:
            self._mend()
            self._resume_nodes()
            if self.plan.kind == "pool":
                self._keep_servers()
            if self._driver.poll() is not None:
                if self._driver.returncode == 0:
                    return True
                if self.project.runs >= (_MOST_RUNS if self.plan.steps else 1):
                    return False
                self._run_again()
            self._next_step()
            time.sleep(_TICK_S)
        return False

    def _run_again(self) -> None:
        """What the runbook says of a run that ended otherwise than well."""
        killed = self._driver.returncode < 0
        self.say(f"run {self.project.runs} ended with {self._driver.returncode}, again")
        if self._user.random() < 0.5:
            self._wait_for_jobs()
        if killed or _LOCKED in self.project.output:
            self._blame("by hand")
            unlock = self.project.start_driver("--unlock", name=f"unlock-{self.project.runs}")
            unlock.wait(timeout=120)
        self._blame("runs again")
        self._driver = self.project.start_driver()

    def _wait_for_jobs(self) -> None:
        """A user who looks at squeue first, and lets what runs end."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            self._mend()
            with suppress(CommandFailed):
                if not set(self.project.jobs()) - set(self._servers):
                    return
            time.sleep(0.5)

    def _blame(self, what: str) -> None:
        if self.hits:
            victim = self.hits[-1].victim
            self._blamed[what][victim] = self._blamed[what].get(victim, 0) + 1

    def _next_step(self) -> None:
        if not self._steps:
            return
        step, now = self._steps[0], time.monotonic()
        if self._moment_at is None:
            if not self._is_moment(step, now):
                return
            self._moment_at = now
        if now < self._moment_at + step.wait_s:
            return
        found = [self._hit(victim, step) for victim in step.victims]
        if not any(found) and now < self._moment_at + step.wait_s + _NOBODY_S:
            time.sleep(0.3)  # nobody of that kind yet
            return
        self._steps.pop(0)
        self._moment_at, self._begun_waiting = None, now

    def _hit(self, victim: str, step: Step) -> bool:
        stages = sorted(Seen(self.project).stages() & {*STAGES})
        made = hit(victim, step, self.project, self._driver)
        if made is None:
            return False
        self.say(f"{made.at - self._begun_at:6.1f} s  {victim}: {made.how} ({', '.join(stages)})")
        made.stages = stages
        self.hits.append(made)
        self._mends += [(at, made, mend) for at, mend in made.mends]
        return True

    def _is_moment(self, step: Step, now: float) -> bool:
        if step.moment == "any" or now - self._begun_waiting > _WAIT_S:
            return True
        later = STAGES[STAGES.index(step.moment) :]
        scripts = self.project.project.folder / ".snakemake" / "scripts"
        fresh = time.time() - (now - self._begun_waiting)
        for stage in later:
            for script in scripts.glob(f"*.{stage}.py"):
                with suppress(FileNotFoundError):
                    if script.stat().st_mtime >= fresh:
                        return True
        if now - self._looked < _LOOK_S:
            return False
        self._looked = now
        return bool(Seen(self.project).stages() & set(later))

    def _mend(self, *, all_of_it: bool = False) -> None:
        due = [each for each in self._mends if all_of_it or each[0] <= time.monotonic()]
        for each in due:
            self._mends.remove(each)
            _, of, mend = each
            try:
                mend()
            except ServerFailed as error:
                # On a machine with no time left; the next look tries it again.
                self.say(f"{of.victim} does not come back: {error}"[:200])
                self._mends.append((time.monotonic() + 1, of, mend))
            if of.lost:
                of.lost = replace(of.lost, ended=max(of.lost.ended, time.time() + 3))

    def _keep_servers(self) -> None:
        """Two servers, started again when they are lost; the first two are the pool itself."""
        if time.monotonic() - self._kept < 5:
            return
        self._kept = time.monotonic()
        with suppress(CommandFailed):
            here = [job for job in self._servers if job in self.project.jobs()]
            while len(here) < SERVERS:
                if len(self._servers) >= SERVERS:
                    self._blame("by hand")
                here.append(self.project.start_server())
                self._servers.append(here[-1])

    def _resume_nodes(self) -> None:
        """As a cluster's people do: Slurm drains a node that comes back to a job it knew twice."""
        if time.monotonic() - self._seen_nodes < 5:
            return
        self._seen_nodes = time.monotonic()
        with suppress(CommandFailed):
            for node, state in self.site.cluster.sinfo().items():
                if state.startswith("drain"):
                    self.say(f"node {node} is {state}, taken back into service")
                    self._blame("by hand")
                    update = ("scontrol", "update", f"NodeName={node}", "State=RESUME")
                    self.site.cluster.run(*update)

    def _judge(self) -> list[Breach]:
        self._mend(all_of_it=True)
        for second in (each.process for each in self.hits if each.process):
            second.wait(timeout=300)
        self._end_servers()
        killed = sum(each.victim in ("server", "slurmd") for each in self.hits) * SERVERS
        left = leftovers(self.project, servers_killed=killed)
        notes = self.project.notes
        names = list(self.plan.experiments)
        asked = questions(names, notes) if self.plan.kind != "model" else ()
        found = Found(
            rows=read_rows(self.project.database),
            counts=read_counts(self.project.database),
            journals=read_journals(self.project.results),
            requests=read_ledger(self.project.ledger),
            losses=[each.lost for each in self.hits if each.lost],
            left=left,
            answerable={question: (name, text) for question, name, text in asked},
        )
        texts = {note.id: sha256(note.text or "") for note in notes}
        right = self.right or right_endings(names, notes)
        if self.plan.kind == "model" and not self.right:
            right = self.rows
        made = breaches(right, texts, COHORT, found)
        self.record |= {
            "rows": len(found.rows),
            "requests": len(found.requests),
            "asked again": by_victim(found.again),
        }
        return made

    def _last_words(self) -> str:
        lines = self.project.output.strip().splitlines()[-3:]
        return f"{self.project.runs} runs; the last one says: {' / '.join(lines)}"

    def _end_servers(self) -> None:
        for job in self._servers:
            with suppress(CommandFailed):
                self.site.cluster.run("scancel", job)

    def _end_all(self) -> None:
        """Nothing of the round goes on, whatever came of it."""
        self._mend(all_of_it=True)
        with suppress(CommandFailed):
            for job in self.project.jobs():
                self.site.cluster.run("scancel", "--signal=KILL", "--full", job)
        for process in self.project.processes():
            with suppress(Exception):
                process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._driver.wait(timeout=10)

    def clear(self, *, keep: bool) -> None:
        """Remove the folder, or keep it with what was on its disks."""
        for disk in self.project.disks:
            if keep and disk.mounted:
                shutil.copytree(
                    disk.folder, self.folder / f"kept-{disk.folder.name}", symlinks=True
                )
            disk.unmount()
        if not keep:
            shutil.rmtree(self.folder)

    def _told(self, made: Hit) -> dict[str, Any]:
        return {
            "victim": made.victim,
            "how": made.how,
            "at": round(made.at - self._begun_at, 2),
            "stages": made.stages,
            "lost": asdict(made.lost) if made.lost else None,
        }
