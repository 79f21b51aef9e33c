"""Imports a task's schema.py, and sees to it that nothing outside its folder decides what it says.

The folder is a package of its own: `import codes` and `from .codes import X` both find the helper
beside schema.py, at once or later in a validator, and two tasks may each have a `codes.py`.
"""

from __future__ import annotations

import builtins
import importlib
import io
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from notemill.errors import NotemillError
from notemill.tasks.others import refuse_others

_ACCESS = os.O_WRONLY | os.O_RDWR
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_OF_THE_SYSTEM = ("/dev/", "/proc/", "/sys/", "/usr/share/zoneinfo/", "/etc/")


def import_task(
    folder: Path, name: str, files: Iterable[Path], module: str = "schema"
) -> ModuleType:
    """Import schema.py of a task anew, or another module of its folder, in a package of its own.

    files: those that the task's fingerprint covers.

    What it prints goes to stderr. Raises whatever its code raises, and NotemillError when it
    imports or reads what lies neither in its folder nor among the installed packages, and, before
    a line of it runs, when others could have written it.
    """
    folder, files = folder.absolute(), list(files)
    refuse_others(folder, files, name, module)
    package = f"notemill_task_{name}" if module == "schema" else f"notemill_{module}_{name}"
    for known in [known for known in sys.modules if known.partition(".")[0] == package]:
        del sys.modules[known]
    sys.meta_path[:] = [f for f in sys.meta_path if getattr(f, "package", None) != package]
    finder = _Finder(package, folder)
    sys.meta_path.insert(0, finder)
    root = ModuleType(package)
    root.__path__ = [str(folder)]
    sys.modules[package] = root
    with (
        _watched(_Watch(finder, folder, files)) as watch,
        redirect_stdout(sys.stderr or io.StringIO()),
    ):
        before = set(sys.modules)
        imported = importlib.import_module(f"{package}.{module}")
        for fresh in set(sys.modules) - before:
            watch.imported(sys.modules.get(fresh))
    if watch.strangers:
        raise NotemillError(
            f"{module}.py of task '{name}' uses what lies outside the task's folder, where a "
            "change of it would go unnoticed:\n"
            + "\n".join(f"    {place}: {what}" for what, place in watch.strangers.items()),
            where=str(folder / f"{module}.py"),
            remedy=f"copy it into {folder} and use it there: `from codes import CODES` for "
            'codes.py, `Path(__file__).with_name("list.txt")` for a list; hidden files and '
            "backups do not count",
        )
    return imported


def line_of(error: BaseException, folder: Path, file: str = "schema.py") -> str:
    """Where in the task's folder an error arose, as FILE:LINE; of a syntax error too.

    file: of the folder, where no line of it is known.
    """
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}"
    folder = folder.absolute()
    found = str(folder / file)
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename.startswith(f"{folder}{os.sep}"):
            found = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


class _Finder:
    """Finds a task's own modules, and nothing else."""

    def __init__(self, package: str, folder: Path) -> None:
        self.package = package
        self._folder = folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        top, _, rest = name.partition(".")
        return self._spec(name, rest) if top == self.package and rest else None

    def has(self, module: str) -> bool:
        """Whether a module of this name lies beside schema.py."""
        return self._spec(f"{self.package}.{module}", module) is not None

    def stranger(self, module: ModuleType | None) -> str | None:
        """The place of a module that is neither the task's own nor installed."""
        file = getattr(module, "__file__", None)
        for place in [file] if file else list(getattr(module, "__path__", ())):
            if not (
                _is_installed(place) or f"{place}{os.sep}".startswith(f"{self._folder}{os.sep}")
            ):
                return str(place)
        return None

    def _spec(self, name: str, rest: str) -> ModuleSpec | None:
        place = self._folder.joinpath(*rest.split("."))
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if file.is_file():
                return spec_from_file_location(name, file, loader=_Loader(name, file, self))
        if place.is_dir():
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        return None


class _Loader(SourceFileLoader):
    """Runs a task's module from its source, whose imports look into the task's folder first."""

    def __init__(self, name: str, file: Path, finder: _Finder) -> None:
        super().__init__(name, str(file))
        self._finder = finder

    def get_code(self, fullname: str) -> CodeType:
        """Never bytecode, which is told from its source by time and size alone."""
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = vars(builtins) | {"__import__": self._import}
        super().exec_module(module)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        top, package = name.partition(".")[0], self._finder.package
        if level == 0 and self._finder.has(top):
            found = __import__(f"{package}.{name}", globals, locals, fromlist or (), 0)
            return found if fromlist else sys.modules[f"{package}.{top}"]
        found = __import__(name, globals, locals, fromlist or (), level)
        for module in (found, sys.modules.get(name)):
            if _watch:
                _watch.imported(module)
            elif strange := self._finder.stranger(module):
                raise ImportError(f"{strange} lies outside the task's folder")
        return found


class _Watch:
    """Notes what the task's code uses from elsewhere, with the line that does it."""

    def __init__(self, finder: _Finder, folder: Path, files: Iterable[Path]) -> None:
        self._finder = finder
        self._folder = f"{folder}{os.sep}"
        self._files = {os.path.realpath(file) for file in files}
        self.strangers: dict[str, str] = {}

    def imported(self, module: ModuleType | None) -> None:
        if place := self._finder.stranger(module):
            self._add(f"imports {place}", self._line(sys._getframe(1)) or "schema.py")

    def opened(self, path: Any, flags: Any) -> None:
        if not isinstance(path, (str, bytes)) or not isinstance(flags, int):
            return
        place = os.fsdecode(path)
        if flags & _ACCESS == os.O_WRONLY or _is_installed(place):
            return
        if os.path.realpath(place) in self._files or not Path(place).is_file():
            return
        if line := self._line(sys._getframe(1)):
            self._add(f"reads {Path(place).absolute()}", line)

    def _add(self, what: str, line: str) -> None:
        self.strangers.setdefault(what, line)

    def _line(self, frame: FrameType | None) -> str | None:
        """The line of the task's code that is at work; None when it is a package being imported."""
        while frame:
            file = frame.f_code.co_filename
            if file.startswith(self._folder):
                return f"{file.removeprefix(self._folder)}:{frame.f_lineno}"
            if file.startswith("<frozen importlib"):
                return None
            frame = frame.f_back
        return None


_watch: _Watch | None = None


@contextmanager
def _watched(watch: _Watch) -> Iterator[_Watch]:
    global _watch  # noqa: PLW0603
    _add_hook()
    _watch = watch
    try:
        yield watch
    finally:
        _watch = None


@cache
def _add_hook() -> None:
    """Once, because an audit hook stays."""

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        if _watch is None:
            return
        if event == "open":
            _watch.opened(arguments[0], arguments[2])
        elif event == "sqlite3.connect":
            _watch.opened(arguments[0], os.O_RDONLY)

    sys.addaudithook(see)


@cache
def _library_folders() -> tuple[str, ...]:
    return tuple(f"{sysconfig.get_path(kind)}{os.sep}" for kind in ("stdlib", "platstdlib"))


def _is_installed(place: str) -> bool:
    """Whether a file is of Python, of a package installed into it, or of the system."""
    path = Path(place).absolute()
    return not _INSTALLED.isdisjoint(path.parts) or str(path).startswith(
        (*_library_folders(), *_OF_THE_SYSTEM)
    )
