"""Install the Debian packages of the test servers and the browser, where that is allowed.

`python -m tests.servers.debian` does so for all of them; without the right to install it says what
is missing and the tests that need it are skipped. With CI or NOTEMILL_REQUIRE_SERVERS set to a
true word, a missing server is an error instead.

The packages' own services are not started by the installation. (On a machine with systemd they
may be at its next boot; the tests use neither their data nor their ports.)
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from tests.servers import postgres, slurm

# Slurm's list has MariaDB's in it.
PACKAGES = slurm.PACKAGES
# poppler reads what the browser prints.
BROWSER = ("chromium", "poppler-utils")
MONITORING = ("prometheus",)
TRACING = ("strace",)
CLOCK = ("libfaketime",)
QUOTA = ("btrfs-progs",)
# Debian's package scripts ask this program before they start a service; 101 means no.
POLICY = "/usr/sbin/policy-rc.d"


class Missing(RuntimeError):
    """Packages are not there and cannot be installed here; the message names them."""


def ensure(packages: Iterable[str] = PACKAGES) -> None:
    """Install what is missing of the packages; raise Missing if that cannot be done."""
    wanted = missing(packages)
    if not wanted:
        return
    names = " ".join(wanted)
    if not shutil.which("apt-get"):
        raise Missing(f"the tests' servers are Debian's packages {names}, and there is no apt-get")
    root = _root_prefix()
    if root is None:
        raise Missing(f"install the tests' servers with: sudo apt-get install {names}")
    with _services_held(root):
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
            command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments]
            done = subprocess.run(
                [*root, "env", "DEBIAN_FRONTEND=noninteractive", *command],
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if done.returncode:
                end = "\n".join(done.stdout.splitlines()[-10:])
                raise Missing(f"could not install {names}: {' '.join(command)} failed:\n{end}")


def missing(packages: Iterable[str]) -> list[str]:
    """Those of the packages that are not installed."""
    return [name for name in packages if not _installed(name)]


def skip_or_fail(reason: str) -> NoReturn:
    """For fixtures: a missing server skips the test, or fails it where servers are required."""
    if servers_required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require(packages: Iterable[str]) -> None:
    """Skip, or fail where servers are required, when packages are missing."""
    if lacking := missing(packages):
        skip_or_fail(f"needs the Debian packages {' '.join(lacking)}")


def servers_required() -> bool:
    """Whether a missing server must fail the tests, by CI or NOTEMILL_REQUIRE_SERVERS."""
    words = (os.environ.get(name, "") for name in ("CI", "NOTEMILL_REQUIRE_SERVERS"))
    return any(word.lower() in ("1", "true", "yes") for word in words)


def _installed(package: str) -> bool:
    if not shutil.which("dpkg-query"):
        return False
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    done = subprocess.run(query, check=False, capture_output=True, text=True)
    return done.stdout == "installed"


def _root_prefix() -> list[str] | None:
    """What to put before a command to run it as root; None where we may not."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if not shutil.which("sudo"):
        return None
    asked = subprocess.run([*sudo, "true"], check=False, capture_output=True)
    return sudo if asked.returncode == 0 else None


@contextmanager
def _services_held(root: list[str]) -> Iterator[None]:
    """Keep package installations from starting services, as long as the context lasts."""
    if os.path.lexists(POLICY):  # the machine has a policy of its own
        yield
        return
    write = f"printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}"
    try:
        subprocess.run([*root, "sh", "-c", write], check=True)
        yield
    finally:
        subprocess.run([*root, "rm", "-f", POLICY], check=True)


def main() -> int:
    lacking = False
    # Apart: what one lacks must not keep the others away.
    for packages in (PACKAGES, postgres.PACKAGES, BROWSER, MONITORING, TRACING, CLOCK, QUOTA):
        try:
            ensure(packages)
        except Missing as error:
            print(error, file=sys.stderr)
            lacking = True
    return 1 if lacking and servers_required() else 0


if __name__ == "__main__":
    sys.exit(main())
