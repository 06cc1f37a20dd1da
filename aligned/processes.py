"""Processes: signals that end a command in order, and workers that end with their parent."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["end_with", "stoppable"]


def end_with(parent: int) -> None:
    """End this process soon after its parent (a process's id) has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Let signals that ask to stop raise `KeyboardInterrupt`, so that scratch is cleared.

    Yields
    ------
    list of int
        The signals that came, e.g. ``[2]`` after Ctrl-C. What is raised may be another exception:
        libraries turn it into their own.
    """
    came: list[int] = []

    def stop(number: int, frame: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
