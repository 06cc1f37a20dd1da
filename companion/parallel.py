"""The one place that starts processes: one thread each, their memory in the record."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from aligned.processes import end_with
from aligned.records import note_worker, own_peak

__all__ = ["one_thread_each", "side_by_side"]

Found = TypeVar("Found")


@contextmanager
def one_thread_each(n_jobs: int) -> Iterator[None]:
    """One thread of PyTorch inside, where several processes work side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if n_jobs == 1 else 1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def side_by_side(
    function: Callable[..., Found],
    jobs: Sequence[tuple[Any, ...]],
    n_jobs: int,
    what: str = "",
    progress: bool = False,
) -> Iterator[Found]:
    """Call a function with the arguments of each job; results as they come, in order of the jobs.

    Several processes, one thread each; with ``n_jobs=1`` this process, with its own threads. The
    peak memory of every worker goes into the run records that follow.

    Parameters
    ----------
    function : callable
    jobs : sequence of tuple
        Arguments of each call.
    n_jobs : int
        Processes, as joblib counts them.
    what : str
        What the progress bar counts.
    progress : bool
        Show a bar on stderr, with the time that remains.

    Examples
    --------
    >>> list(side_by_side(pow, [(2, 3), (3, 2)], n_jobs=1))
    [8, 9]
    """
    with parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1):
        ends = {"initializer": end_with, "initargs": (os.getpid(),)}  # with this process
        work = Parallel(return_as="generator", **ends)(
            delayed(_in_worker)(function, job, n_jobs) for job in jobs
        )
    bar = tqdm(work, total=len(jobs), desc=what, disable=None if progress else True)
    with warnings.catch_warnings():  # joblib replaces a worker whose memory has grown: no news
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        for found, peak in bar:
            note_worker(*peak)
            yield found


def _in_worker(
    function: Callable[..., Found], job: tuple[Any, ...], n_jobs: int
) -> tuple[Found, tuple[int, float | None]]:
    with one_thread_each(n_jobs):
        return function(*job), own_peak()
