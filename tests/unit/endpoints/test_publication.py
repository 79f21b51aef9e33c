"""A folder of endpoints: what clients may use, and why they pass over the rest."""

import json
import os
import platform
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from notemill.endpoints.publication import (
    GRACE,
    LIFETIME,
    Endpoint,
    NoFolder,
    forget_stale,
    publish,
    published,
    renewed,
    withdraw,
)
from notemill.errors import NotemillError

TOKEN = "a-token-of-this-test"
NOW = datetime.now(UTC)
ENDPOINT = Endpoint(
    scheme="https",
    host="n1",
    port=40123,
    node=platform.node(),
    kind="ollama",
    engine="ollama 0.24.0",
    model="llama3.1:8b",
    digest="ab" * 32,
    slots=8,
    context=4096,
    gpus=("0",),
    job="Slurm job 42",
    started=NOW,
    renewed=NOW,
    expires=NOW + LIFETIME,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "endpoints"
    publish(folder, "one", ENDPOINT, TOKEN)
    return folder


def reasons(folder: Path) -> dict[str, str]:
    return {each.name: each.reason for each in published(folder).passed_over}


def aged(folder: Path, name: str, by: timedelta) -> None:
    then = time.time() - by.total_seconds()
    os.utime(folder / f"{name}.json", (then, then))


def test_what_a_server_publishes_its_clients_read(folder: Path) -> None:
    (one,) = published(folder).endpoints
    assert (one.name, one.endpoint, one.token) == ("one", ENDPOINT, TOKEN)
    assert one.endpoint.address == "https://n1:40123"
    assert TOKEN not in repr(one)


def test_files_are_the_users_alone_and_hold_the_token_in_one_place(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "one.json": 0o600,
        "one.token": 0o600,
    }
    assert TOKEN not in (folder / "one.json").read_text()


def test_a_withdrawn_endpoint_leaves_nothing(folder: Path) -> None:
    withdraw(folder, "one")
    withdraw(folder, "one")
    assert list(folder.iterdir()) == []


def test_a_server_that_was_suspended_is_found_again_once_it_renews(folder: Path) -> None:
    withdraw(folder, "one")
    publish(folder, "one", renewed(ENDPOINT), TOKEN)
    assert [each.token for each in published(folder).endpoints] == [TOKEN]


def test_a_killed_servers_file_is_passed_over_once_it_has_expired(folder: Path) -> None:
    aged(folder, "one", LIFETIME + GRACE - timedelta(seconds=10))
    assert published(folder).endpoints
    aged(folder, "one", LIFETIME + GRACE + timedelta(seconds=10))
    found = published(folder)
    assert not found.endpoints
    assert "was not renewed for 190 s" in found.passed_over[0].reason
    assert found.passed_over[0].endpoint == ENDPOINT


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_servers_clock_that_is_wrong_neither_hides_it_nor_keeps_a_dead_one(
    folder: Path, hours: int
) -> None:
    off = {key: getattr(ENDPOINT, key) + timedelta(hours=hours) for key in ("renewed", "expires")}
    publish(folder, "one", ENDPOINT.model_copy(update=off), TOKEN)
    assert published(folder).endpoints
    aged(folder, "one", timedelta(minutes=5))
    assert not published(folder).endpoints


def test_this_nodes_clock_that_is_wrong_hides_no_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time() + 36000
    monkeypatch.setattr(time, "time", lambda: ahead)
    assert published(folder).endpoints


def test_a_server_does_not_promise_more_than_its_job_has(folder: Path) -> None:
    end = datetime.now(UTC) + timedelta(seconds=30)
    assert renewed(ENDPOINT, end).expires == end
    assert renewed(ENDPOINT).expires > end
    over = renewed(ENDPOINT, NOW - timedelta(seconds=30))
    assert over.expires == over.renewed


def test_tokens_that_are_missing_or_open_or_none_are_told(folder: Path) -> None:
    for name in ("missing", "open", "none", "empty"):
        publish(folder, name, ENDPOINT, TOKEN)
    (folder / "missing.token").unlink()
    (folder / "open.token").chmod(0o640)
    (folder / "none.token").write_text("short\n")
    (folder / "empty.token").write_text("")
    assert [each.name for each in published(folder).endpoints] == ["one"]
    told = reasons(folder)
    assert "token is missing" in told["missing"]
    for name in ("open", "none", "empty"):
        assert "open to others, or is none" in told[name]


def test_another_nodes_loopback_is_not_taken_for_this_ones(folder: Path) -> None:
    mine = ENDPOINT.model_copy(update={"host": "127.0.0.1"})
    publish(folder, "mine", mine, TOKEN)
    publish(folder, "theirs", mine.model_copy(update={"node": "n7"}), TOKEN)
    assert [each.name for each in published(folder).endpoints] == ["mine", "one"]
    assert reasons(folder) == {"theirs": "only its own node, n7, reaches it"}


@pytest.mark.parametrize(
    "wrong", [{"format": 2}, {"host": "n1/v1?x="}, {"port": 0}, {"slots": 0}, {"state": "?"}]
)
def test_what_is_no_endpoint_is_passed_over(folder: Path, wrong: dict[str, object]) -> None:
    said = json.loads((folder / "one.json").read_text())
    (folder / "one.json").write_text(json.dumps(said | wrong))
    assert not published(folder).endpoints
    assert "nothing that this version" in reasons(folder)["one"]


def test_half_a_file_is_passed_over(folder: Path) -> None:
    text = (folder / "one.json").read_text()
    (folder / "one.json").write_text(text[: len(text) // 2])
    assert not published(folder).endpoints


@pytest.mark.parametrize("mode", [0o770, 0o750, 0o702, 0o711])
def test_a_folder_that_others_may_enter_is_refused_by_both_sides(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    for use in (lambda: published(folder), lambda: publish(folder, "two", ENDPOINT, TOKEN)):
        with pytest.raises(NotemillError, match="open to others"):
            use()
    assert not (folder / "two.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_refused(folder: Path) -> None:
    os.chown(folder, 1234, 1234)
    with pytest.raises(NotemillError, match="another user's"):
        published(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's file")
def test_a_file_that_a_neighbour_put_in_an_open_folder_sends_no_note_to_him(folder: Path) -> None:
    """In the place of a server's own, whose token would go to wherever his says."""
    theirs = folder / ".theirs"
    ENDPOINT.model_copy(update={"host": "evil.example"}).write(theirs)
    os.chown(theirs, 1234, 1234)
    theirs.replace(folder / "one.json")
    assert not published(folder).endpoints
    assert "another user wrote it" in reasons(folder)["one"]


def test_a_missing_folder_says_how_it_comes_to_be(tmp_path: Path) -> None:
    with pytest.raises(NoFolder, match="notemill serve ENGINE"):
        published(tmp_path / "nowhere")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotemillError, match="no folder of endpoints"):
        published(tmp_path / "file")


def test_what_was_killed_days_ago_is_forgotten_and_nothing_else(folder: Path) -> None:
    for name in ("days", "minutes"):
        publish(folder, name, ENDPOINT, TOKEN)
    aged(folder, "days", timedelta(days=2))
    aged(folder, "minutes", timedelta(minutes=30))
    forget_stale(folder)
    left = ["minutes.json", "minutes.token", "one.json", "one.token"]
    assert sorted(path.name for path in folder.iterdir()) == left
