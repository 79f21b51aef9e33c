"""notemill.tasks.others: a task's Python runs as its user, so nobody else may have written it."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.plan.runs import checked_plan
from notemill.tasks.others import refuse_everyone
from notemill.tasks.task import read_task
from tests.servers.shard_site import ShardSite
from tests.unit.conftest import write_task

REPOSITORY = Path(__file__).parents[3]
NOBODY, GROUP = 65534, 4242
RUNS = "from pathlib import Path\nPath({mark!r}).touch()\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")


class Place:
    """A task below a folder of the user's own; its schema leaves `mark` when it runs."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "it-ran"
        self.above = folder / "project"
        (self.above / "tasks").mkdir(parents=True)
        schema = RUNS.format(mark=str(self.mark)) + (
            "from pydantic import BaseModel\nfrom codes import C\n"
            "class Answer(BaseModel):\n    x: bool\n"
        )
        self.task = write_task(self.above / "tasks", schema).folder
        (self.task / "codes.py").write_text("C = 1\n")
        self.schema = self.task / "schema.py"

    def refused(self) -> NotemillError:
        with pytest.raises(NotemillError, match="runs as you, and") as refused:
            _ = read_task(self.task.parent, self.task.name).answer_model
        assert not self.mark.exists()
        return refused.value

    def runs(self) -> bool:
        _ = read_task(self.task.parent, self.task.name).answer_model
        return self.mark.exists()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The user runs elsewhere than in the project."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return Place(tmp_path)


@pytest.mark.parametrize("which", ["schema.py", "codes.py", ".", "..", "../.."])
def test_what_everyone_can_change_never_runs(place: Place, which: str) -> None:
    open_one = (place.task / which).resolve()
    open_one.chmod(open_one.stat().st_mode | stat.S_IWOTH)
    error = place.refused()
    assert "every user of this machine" in error.what
    assert str(open_one) in error.where
    subprocess.run(error.remedy, shell=True, check=True)
    assert place.runs()


def test_a_sticky_folder_above_is_no_danger_but_the_tasks_own_is(place: Place) -> None:
    place.above.chmod(0o1777)
    assert place.runs()
    place.mark.unlink()
    place.above.chmod(0o700)
    place.task.chmod(0o1777)  # a helper of any name could be added
    place.refused()


@as_root
@pytest.mark.parametrize("which", ["schema.py", "codes.py", ".", "../.."])
def test_what_another_user_owns_never_runs(place: Place, which: str) -> None:
    os.chown((place.task / which).resolve(), NOBODY, 0)
    error = place.refused()
    assert "user nobody could change it" in error.what
    assert "copy the task's folder" in error.remedy


@as_root
def test_a_group_may_write_a_task_only_where_it_may_write_the_whole_project(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(place.task, 0, GROUP)
    place.task.chmod(0o2775)
    assert f"everyone in group {GROUP}" in place.refused().what
    for folder in (place.above, place.task.parent):
        os.chown(folder, 0, GROUP)
        folder.chmod(0o2775)
    place.refused()
    monkeypatch.chdir(place.above)  # who may write here can change the configuration, too
    assert place.runs()


@as_root
def test_a_project_of_a_colleague_is_run_as_a_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (place.above, place.task.parent, place.task, *place.task.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    place.refused()
    monkeypatch.chdir(place.above)
    assert place.runs()


def test_a_link_to_where_others_can_write_is_followed(place: Place, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    place.schema.rename(shared / "schema.py")
    place.schema.symlink_to(shared / "schema.py")
    assert place.runs()
    place.mark.unlink()
    shared.chmod(0o777)
    place.refused()


def test_every_link_on_the_way_is_looked_at(place: Place, tmp_path: Path) -> None:
    """The folder of a link that another link leads to, in which it could be put elsewhere."""
    between = tmp_path / "between"
    between.mkdir()
    (between / "tasks").symlink_to("../project/tasks")
    (tmp_path / "tasks").symlink_to(between / "tasks")
    place.task = tmp_path / "tasks" / place.task.name
    assert place.runs()
    place.mark.unlink()
    between.chmod(0o777)
    assert str(between) in place.refused().where


@as_root
def test_a_link_of_another_user_is_not_followed(place: Place, tmp_path: Path) -> None:
    """As one in /tmp, where nobody else can remove it."""
    link = tmp_path / "tasks"
    link.symlink_to(place.task.parent)
    os.lchown(link, NOBODY, 0)
    place.task = link / place.task.name
    assert "user nobody could change it" in place.refused().what


@pytest.mark.parametrize(("tag", "who"), [(0x02, "user nobody"), (0x08, "everyone in group ")])
def test_who_is_named_in_an_access_control_list_may_write_too(
    place: Place, tag: int, who: str
) -> None:
    """The group's bits are its mask then, and the group itself may be the user's own."""
    rights = sorted([(0x01, 7), (0x04, 5), (tag, 7), (0x10, 7), (0x20, 5)])
    numbers = {tag: NOBODY}
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", each, may, numbers.get(each, 0xFFFFFFFF)) for each, may in rights
    )
    try:
        os.setxattr(place.task, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("no access control lists here")
    error = place.refused()
    assert who in error.what
    os.removexattr(place.task, "system.posix_acl_access")
    place.task.chmod(0o755)
    assert place.runs()


def test_a_gate_is_held_to_the_same(place: Place) -> None:
    (place.task / "gate.py").write_text(
        RUNS.format(mark=str(place.mark)) + 'RULES = ("a",)\ndef gate(note):\n    return None\n'
    )
    (place.task / "gate.py").chmod(0o666)
    with pytest.raises(NotemillError, match=r"gate\.py of task 'cough' runs as you"):
        _ = read_task(place.task.parent, place.task.name).gate
    assert not place.mark.exists()


def test_prompts_are_no_code(place: Place) -> None:
    (place.task / "system.md").chmod(0o666)
    assert place.runs()


@as_root
def test_what_is_mounted_for_reading_alone_nobody_can_change(place: Place) -> None:
    """As Kubernetes mounts a ConfigMap: everyone's rights, and no way to use them."""
    place.task.chmod(0o777)
    code = (
        "from pathlib import Path; from notemill.tasks.task import read_task;"
        f"read_task(Path({str(place.task.parent)!r}), {place.task.name!r}).answer_model"
    )
    mounted = (
        f"mount --bind {place.task} {place.task} && mount -o remount,bind,ro {place.task} && "
        f'exec {sys.executable} -c "{code}"'
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", mounted], env=environment, check=False
    )
    if done.returncode == 32:
        pytest.skip("no mounts here")
    assert done.returncode == 0
    assert place.mark.exists()


@pytest.mark.parametrize("which", [".", "answers/..", "link"])
def test_results_that_every_user_could_plant_are_refused_with_the_command_that_mends_it(
    tmp_path: Path, which: str
) -> None:
    results = tmp_path / "results"
    (results / "answers").mkdir(parents=True)
    (results / "link").symlink_to(results)
    refuse_everyone(results / which)
    for mode in (0o777, 0o1777):
        results.chmod(mode)
        with pytest.raises(
            NotemillError, match="every user of this machine could put answers"
        ) as e:
            refuse_everyone(results / which)
        subprocess.run(e.value.remedy, shell=True, check=True)
        refuse_everyone(results / which)


@as_root
def test_results_below_a_folder_that_is_everyones_must_be_ones_own(tmp_path: Path) -> None:
    """There another user could have taken them away and put others in their place."""
    results = tmp_path / "results"
    tmp_path.chmod(0o777)
    refuse_everyone(results)
    results.mkdir(mode=0o775)
    refuse_everyone(results)
    os.chown(results, NOBODY, NOBODY)
    with pytest.raises(NotemillError, match="every user of this machine could put answers"):
        refuse_everyone(results)
    tmp_path.chmod(0o1777)  # who owns them has made them
    refuse_everyone(results)


def test_no_plan_is_made_where_every_user_could_plant_answers(tmp_path: Path) -> None:
    site = ShardSite(tmp_path, ["Clear lungs."])
    assert checked_plan(site.config)
    site.layout.results.chmod(0o777)
    with pytest.raises(NotemillError, match="every user of this machine could put answers"):
        checked_plan(site.config)
