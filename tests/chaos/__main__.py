"""`make chaos`: rounds by their seed; or the table of what earlier ones came to."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.plan import KINDS, VICTIMS, draw_plan
from tests.chaos.round import Right, Round
from tests.chaos.site import Site, running_site
from tests.chaos.table import table
from tests.servers import debian


def main(arguments: list[str]) -> int:
    """Run what the arguments say; 1 if anything was not as it must be."""
    told = _parser().parse_args(arguments)
    # As Ctrl-C: servers and disks are taken away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    record: list[dict[str, Any]] = json.loads(told.json.read_text()) if told.json.exists() else []
    if told.table:
        print(table(record))
        return 0
    debian.ensure((*debian.PACKAGES, "postgresql"))
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=told.folder))
    kinds = told.kind.split(",") if told.kind else list(KINDS)
    numbers = [told.round] if told.round is not None else range(told.rounds)
    failed = False
    with running_site(postgres="postgres" in kinds) as site:
        run = _Run(told, folder, site, kinds)
        for number in numbers:
            if told.minutes and time.monotonic() > run.begun + 60 * told.minutes:
                break
            done = run.round(number)
            failed = failed or bool(done["breaches"])
            # Read again: another run may write the same file.
            record = json.loads(told.json.read_text()) if told.json.exists() else []
            told.json.write_text(json.dumps([*record, done], indent=1) + "\n")
    print(table(json.loads(told.json.read_text())))
    if not any(folder.iterdir()):
        folder.rmdir()
    return int(failed)


class _Run:
    """All rounds of one command."""

    def __init__(
        self, told: argparse.Namespace, folder: Path, site: Site, kinds: list[str]
    ) -> None:
        self._told, self._folder, self._site, self._kinds = told, folder, site, kinds
        self._undisturbed: dict[str, tuple[float, Right]] = {}
        self.begun = time.monotonic()

    def round(self, number: int) -> dict[str, Any]:
        """One round; before the first, an undisturbed one, whose time is held against it."""
        told = self._told
        victims = told.victim.split(",") if told.victim else list(VICTIMS)
        plan = draw_plan(told.seed, number, kills=told.kills, kinds=self._kinds, victims=victims)
        calm, right = self._calm("model" if plan.kind == "model" else "mariadb")
        say = _Teller(f"seed {plan.seed} round {plan.number} {plan.kind}")
        say(f"{plan.notes} notes, {plan.shards} shards, {len(plan.steps)} steps")
        this = Round(
            self._folder / f"round-{plan.number}",
            plan,
            self._site,
            say,
            right=right if plan.kind == "model" else None,
        )
        try:
            done = this.run()
        except BaseException:
            this.clear(keep=True)
            raise
        done["calm_seconds"] = calm
        for breach in done["breaches"]:
            say(f"NOT AS IT MUST BE: {breach['kind']}: {breach['what']}")
        this.clear(keep=bool(done["breaches"]))
        if done["breaches"]:
            say(f"kept: {this.folder}; again: make chaos SEED={plan.seed} ROUND={plan.number}")
        hits = len(done["hits"])
        say(f"{hits} kills, {done['runs']} runs, {done['rows']} rows, {done['seconds']:.0f} s")
        return done

    def _calm(self, kind: str) -> tuple[float, Right]:
        if self._told.calm and kind != "model":
            return self._told.calm, {}
        if kind not in self._undisturbed:
            plan = draw_plan(self._told.seed, -1, kills=0, kinds=[kind])
            say = _Teller(f"undisturbed {kind}")
            this = Round(self._folder / f"calm-{kind}", plan, self._site, say)
            done = this.run()
            for breach in done["breaches"]:
                say(f"NOT AS IT MUST BE: {breach['kind']}: {breach['what']}")
            say(f"{done['rows']} rows, {done['seconds']:.0f} s")
            if done["breaches"]:
                this.clear(keep=True)
                raise SystemExit(f"an undisturbed round is not as it must be: {this.folder}")
            self._undisturbed[kind] = done["seconds"], this.rows
            this.clear(keep=False)
        return self._undisturbed[kind]


class _Teller:
    """Plain lines, each with what it is about."""

    def __init__(self, about: str) -> None:
        self._about = about

    def __call__(self, line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {self._about}: {line}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--round", type=int, help="this one alone")
    parser.add_argument("--minutes", type=float, help="begin no round after so many")
    parser.add_argument("--kills", type=int, default=60, help="steps of a round")
    parser.add_argument(
        "--calm", type=float, help="seconds of an undisturbed round, where they are known"
    )
    parser.add_argument("--victim", help=f"some of {','.join(VICTIMS)}")
    parser.add_argument("--kind", help=f"some of {','.join(KINDS)}")
    parser.add_argument("--json", type=Path, default=Path("chaos.json"), help="gets every round")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where rounds lie")
    parser.add_argument("--table", action="store_true", help="print the table of the JSON alone")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
