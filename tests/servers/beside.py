"""Work in a thread beside what a test does: killing a server while its notes are asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def beside(work: Callable[[threading.Event], object]) -> Iterator[None]:
    """Does the work, once, while within; at the end waits for it and raises what it raised.

    work: gets what is set once the end is reached.
    """
    over = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work, over)
        try:
            yield
        finally:
            over.set()
    done.result()
