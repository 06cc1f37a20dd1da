"""Figures of the refinement analysis: recovery under noise, thin evidence, hidden edges, speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.plot.theme import COLOURS, axes_or_current

__all__ = [
    "plot_average_precision",
    "plot_exponents",
    "plot_growth",
    "plot_recovery",
    "plot_thin",
    "plot_topology",
]

#: Colour, marker and line of each method of the noise experiment, in drawing order.
METHOD_LOOKS: dict[str, tuple[str, str, str]] = {
    "published rule": ("#CC79A7", "v", "-"),
    "direct evidence": ("#56B4E9", "D", "-"),
    "frobenius": ("#E69F00", "^", "-"),
    "l1, no polish": ("#009E73", "s", "-"),
    "aligned": ("#0072B2", "o", "-"),
    "noisy": ("#555555", "", "--"),
    "identifiable": ("#000000", "", ":"),
}
#: Looks of the lines of seconds, in order.
LINES: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "marker": "o"},
    {"color": "#D55E00", "marker": "s"},
    {"color": "#56B4E9", "marker": "^"},
    {"color": "#E69F00", "marker": "D"},
)


def _lines(ax: Axes, table: pd.DataFrame, x: str) -> None:
    """A line with its band for each method, in the order of `METHOD_LOOKS`."""
    for method, (colour, marker, ls) in METHOD_LOOKS.items():
        rows = table[table["method"] == method].sort_values(x)
        if len(rows):
            label = rows["label"].iloc[0]
            ax.plot(rows[x], rows["mean"], color=colour, marker=marker, ls=ls, ms=4, label=label)
        if rows["low"].notna().any():
            ax.fill_between(rows[x], rows["low"], rows["high"], color=colour, alpha=0.18, lw=0)


def plot_recovery(
    table: pd.DataFrame, ax: Axes | None = None, published: pd.DataFrame | None = None
) -> Axes:
    """A score against the share of noise, one line per method, with 95% intervals.

    Parameters
    ----------
    table : DataFrame
        ``noise, method, label, mean, low, high``.
    ax : Axes, optional
    published : DataFrame, optional
        ``noise, label, value``: the paper's figures, as crosses.
    """
    ax = axes_or_current(ax)
    _lines(ax, table, "noise")
    if published is not None:
        for (label, rows), marker in zip(
            published.groupby("label", sort=False), "x+", strict=False
        ):
            ax.plot(rows["noise"], rows["value"], marker, color="0.45", ms=6, label=label)
    ax.set(xlabel="share of corrupted edges", ylim=(None, 1.01))
    return ax


def plot_topology(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A topological measure against noise: noisy and refined, the original and its rewirings."""
    ax = axes_or_current(ax)
    first = table.iloc[0]
    ax.axhspan(first["null_low"], first["null_high"], color="0.88", lw=0, label="rewired, 95%")
    ax.axhline(first["original"], color="0.2", lw=1.2, label="original")
    drawn = table.assign(label=table["state"], method=table["state"].replace("refined", "aligned"))
    drawn.loc[drawn["state"] == "noisy", ["low", "high"]] = np.nan  # one band is enough
    for state in ("noisy", "refined"):
        _lines(ax, drawn[drawn["state"] == state], "noise")
    ax.set(xlabel="share of corrupted edges")
    return ax


def plot_thin(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A score against the amount or the quality of evidence, one line per method."""
    ax = axes_or_current(ax)
    _lines(ax, table, "level")
    return ax


def plot_average_precision(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Average precision of ways to rank hidden edges, with 95% intervals; best on top.

    Parameters
    ----------
    table : DataFrame
        ``label, group, ap, low, high`` and ``prevalence``, the value of a random ranking.
    """
    ax = axes_or_current(ax)
    ordered = table.sort_values("ap").reset_index(drop=True)
    colours = dict.fromkeys(COLOURS.values())
    palette = dict(zip(table["group"].unique(), colours, strict=False))
    for group, rows in ordered.groupby("group", sort=False):
        spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["ap"].to_numpy())
        ax.errorbar(
            rows["ap"], rows.index, xerr=spread, fmt="o", ms=4, color=palette[group], label=group
        )
    ax.axvline(table["prevalence"].iloc[0], color="0.3", lw=1, ls=":", label="at random")
    ax.set_yticks(range(len(ordered)), ordered["label"])
    ax.set(xlabel="average precision of the hidden edges")
    return ax


def plot_growth(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Seconds against the number of genes, ours and the dense reference, log-log.

    Parameters
    ----------
    table : DataFrame
        ``what, n, seconds, reference_seconds``.
    """
    ax = axes_or_current(ax)
    for (what, rows), look in zip(table.groupby("what"), LINES, strict=False):
        rows = rows.sort_values("n")
        ax.plot(rows["n"], rows["seconds"], **look, label=f"{what}, ours")
        dense = {**look, "ls": "--", "mfc": "w", "label": f"{what}, dense n × n"}
        ax.plot(rows["n"], rows["reference_seconds"], **dense)
    ax.set(xscale="log", yscale="log", xlabel="genes n (8% of them regulators)", ylabel="seconds")
    ticks = sorted(table["n"].unique())
    ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
    ax.minorticks_off()
    return ax


def plot_exponents(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Seconds against what grows, one line per ``label``, log-log: ``label, size, seconds``."""
    ax = axes_or_current(ax)
    for (label, rows), look in zip(table.groupby("label", sort=False), LINES, strict=False):
        ax.plot(rows["size"], rows["seconds"], **look, ms=4, label=label)
    ax.set(xscale="log", yscale="log", xlabel="genes, or regulators", ylabel="seconds")
    return ax
