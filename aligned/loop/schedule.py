"""Schedules: which phases follow each other, and what the stages are called."""

from __future__ import annotations

__all__ = ["parse_schedule", "stage_name"]


def parse_schedule(schedule: str) -> list[str] | None:
    """Phases of a schedule such as ``"A-R-A-R"``; None for ``"auto"``.

    ``"network"`` stands for no phase at all after supervised training.

    Raises
    ------
    ValueError
        Anything else; the message shows what a schedule looks like.

    Examples
    --------
    >>> parse_schedule("A-R-A")
    ['A', 'R', 'A']
    """
    if schedule == "auto":
        return None
    if schedule == "network":
        return []
    phases = schedule.split("-") if isinstance(schedule, str) else [repr(schedule)]
    wrong = [p for p in phases if p not in ("A", "R")]
    if wrong:
        raise ValueError(
            f"schedule {schedule!r} holds {wrong[0]!r}; join phases A (align) and R (refine) by "
            "'-', as in 'A-R-A-R', or use 'auto' or 'network'."
        )
    return phases


def stage_name(phases: list[str]) -> str:
    """Name of the stage reached after these phases.

    Examples
    --------
    >>> stage_name([]), stage_name(["A", "R"])
    ('network', 'A-R')
    """
    return "-".join(phases) if phases else "network"
