"""Another user of the node while a job works: a real process of another number, which tries it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.neighbour import NOBODY, needs_root
from tests.processes import below, command_of
from tests.servers.beside import beside
from tests.servers.shard_site import ShardSite
from tests.servers.test_engine_lost import embedded, engine_of

TRIES = """
import ctypes, encodings.idna, json, os, sys, urllib.error, urllib.request
user, place, port, *processes = sys.argv[1:]
os.setgroups([])
os.setresgid(int(user), int(user), int(user))
os.setresuid(int(user), int(user), int(user))
got = {}

def tried(what, do):
    try:
        got[what] = repr(do())
    except OSError as error:
        got[what] = f"refused: {error.strerror}"

def attach(process):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, int(process), None, None) == -1:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def asked(path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
            return reply.read()
    except urllib.error.HTTPError as error:
        raise OSError(error.code, f"status {error.code}")

for process in processes:
    for name in ("environ", "mem", "maps"):
        tried(f"{name} of {process}", lambda: open(f"/proc/{process}/{name}", "rb").read(1))
    for name in ("cwd", "fd", "root"):
        tried(f"{name} of {process}", lambda: os.listdir(f"/proc/{process}/{name}"))
    tried(f"ptrace of {process}", lambda: attach(process))
    got[f"command of {process}"] = open(f"/proc/{process}/cmdline").read()
for name in os.listdir(place):
    if name.startswith("notemill-"):
        tried(f"folder {name}", lambda: os.listdir(f"{place}/{name}"))
        tried(f"name of {name}", lambda: os.rename(f"{place}/{name}", f"{place}/taken"))
print(flush=True)
sys.stdin.readline()  # the engine runs again
chat = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
for path, body in (("/v1/chat/completions", chat), ("/completion", chat), ("/slots", None),
                   ("/metrics", None), ("/props", None), ("/slots/0?action=save", b"{}")):
    tried(f"engine's {path}", lambda: asked(path, body))
print(json.dumps(got))
"""


@needs_root
def test_a_neighbour_on_the_node_gets_nothing_of_a_job_or_its_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = Path(f"/tmp/notemill-test-neighbour-{os.getpid()}")  # as /tmp is, and not in pytest's
    place.mkdir(mode=0o777)
    place.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv("SLURM_TMPDIR", "")
    monkeypatch.setenv("NOTEMILL_SECRET", "planted")
    site = embedded(tmp_path / "site")
    try:
        site.job()
        got: dict[str, Any] = {}
        with beside(lambda _: got.update(tried_by_a_neighbour(site, place))):
            rows = site.answer()
        assert {row["status"] for row in rows} == {"answered"}
        commands = [said for what, said in got.items() if what.startswith("command")]
        assert len(commands) == 3
        assert not any("planted" in said or "Findings" in said for said in commands)
        others = {what: said for what, said in got.items() if not what.startswith("command")}
        assert len(others) > 25
        assert {what: said for what, said in others.items() if "refused" not in said} == {}
        engines = {said for what, said in others.items() if what.startswith("engine's")}
        assert engines == {"refused: status 401"}
        assert list(place.iterdir()) == []
    finally:
        for left in place.iterdir():
            left.rename(tmp_path / left.name)
        place.rmdir()


def tried_by_a_neighbour(site: ShardSite, place: Path) -> dict[str, str]:
    """What each attempt came to; the engine stands still until there is but itself to ask."""
    engine = engine_of(site)
    engine.suspend()
    port = next(
        each.laddr.port for each in engine.net_connections("tcp") if each.status == "LISTEN"
    )
    beside = [
        child.pid
        for child in below(os.getpid())
        if any(word.endswith("afterwards.py") for word in command_of(child))
    ]
    processes = [str(number) for number in (os.getpid(), engine.pid, beside[0])]
    command = [sys.executable, "-I", "-S", "-c", TRIES, str(NOBODY), str(place), str(port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*command, *processes], text=True, **pipes) as tries:
        assert tries.stdin and tries.stdout
        tries.stdout.readline()
        engine.resume()
        got: dict[str, str] = json.loads(tries.communicate("\n")[0])
    return got
