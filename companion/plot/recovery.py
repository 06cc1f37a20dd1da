"""Figures of the refinement analysis: recovery under noise, thin evidence, hidden edges, speed."""

from __future__ import annotations

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


def _band(ax: Axes, x: np.ndarray, rows: pd.DataFrame, look: tuple[str, str, str]) -> None:
    colour, marker, line = look
    ax.plot(
        x, rows["mean"], color=colour, marker=marker, ls=line, ms=4, label=rows["label"].iloc[0]
    )
    if rows["low"].notna().any():
        ax.fill_between(x, rows["low"], rows["high"], color=colour, alpha=0.18, lw=0)


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
    for method, look in METHOD_LOOKS.items():
        rows = table[table["method"] == method].sort_values("noise")
        if len(rows):
            _band(ax, rows["noise"].to_numpy(), rows, look)
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
    for state, key in (("noisy", "noisy"), ("refined", "aligned")):
        rows = table[table["state"] == state].sort_values("noise").assign(label=state)
        if state == "noisy":  # one band is enough
            rows = rows.assign(low=np.nan, high=np.nan)
        if len(rows):
            _band(ax, rows["noise"].to_numpy(), rows, METHOD_LOOKS[key])
    ax.set(xlabel="share of corrupted edges")
    return ax


def plot_thin(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A score against the amount or the quality of evidence, one line per method."""
    ax = axes_or_current(ax)
    for method, look in METHOD_LOOKS.items():
        rows = table[table["method"] == method].sort_values("level")
        if len(rows):
            _band(ax, rows["level"].to_numpy(), rows, look)
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
    looks = {"closure": ("#0072B2", "o"), "iteration": ("#D55E00", "s")}
    for what, (colour, marker) in looks.items():
        rows = table[table["what"] == what].sort_values("n")
        ax.plot(rows["n"], rows["seconds"], color=colour, marker=marker, label=f"{what}, ours")
        ax.plot(
            rows["n"], rows["reference_seconds"], color=colour, marker=marker, ls="--", mfc="w",
            label=f"{what}, dense n × n",
        )  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="genes n (8% of them regulators)", ylabel="seconds")
    ticks = sorted(table["n"].unique())
    ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
    ax.minorticks_off()
    return ax


def plot_exponents(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Seconds against what grows, one line per ``label``, log-log: ``label, size, seconds``."""
    ax = axes_or_current(ax)
    looks = zip(["#0072B2", "#D55E00", "#56B4E9", "#E69F00"], "os^D", strict=True)
    for (label, rows), (colour, marker) in zip(
        table.groupby("label", sort=False), looks, strict=False
    ):
        ax.plot(rows["size"], rows["seconds"], color=colour, marker=marker, ms=4, label=label)
    ax.set(xscale="log", yscale="log", xlabel="genes, or regulators", ylabel="seconds")
    return ax
