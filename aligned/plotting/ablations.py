"""Figures of the ablations: what each part changes, who was right, and how estimators learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aligned.plotting.theme import COLOURS, axes_or_current

__all__ = ["plot_ablations", "plot_regret", "plot_regret_by_size", "plot_trust"]

#: Colour and marker of each side, the adapter's choice on top.
SIDES = {
    "always the network": (COLOURS["neural"], "o"),
    "always the symbols": (COLOURS["heldout"], "^"),
    "a fair coin": (COLOURS["prediction"], "|"),
    "an oracle": (COLOURS["published"], "*"),
    "the adapter's choice": (COLOURS["integrated"], "s"),
}
ESTIMATORS = {
    "local": (COLOURS["integrated"], "s", "-"),
    "reinforce": (COLOURS["neural"], "o", "--"),
}


def plot_ablations(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Forest of paired changes, variant minus reference, with the groups apart.

    Parameters
    ----------
    table : DataFrame
        Columns ``label, group, difference, low, high``, the top row first.
    """
    ax = axes_or_current(ax)
    new_group = (table["group"] != table["group"].shift()).cumsum().to_numpy() - 1
    place = np.arange(len(table)) + 0.6 * new_group
    middle = table["difference"].to_numpy()
    spread = np.abs(table[["low", "high"]].to_numpy().T - middle)
    clear = ((table["low"] > 0) | (table["high"] < 0)).to_numpy()
    for certain, face in ((True, COLOURS["integrated"]), (False, "white")):
        rows = clear == certain
        ax.errorbar(
            middle[rows], place[rows], xerr=spread[:, rows], color=COLOURS["integrated"],
            marker="s", ls="none", markerfacecolor=face,
            label="interval clear of zero" if certain else "interval touches zero",
        )  # fmt: skip
    ax.axvline(0, color="0.3", lw=1)
    ax.set_yticks(place, list(table["label"]))
    ax.set_ylim(place.max() + 0.6, -0.6)
    ax.set_xlabel("variant - reference")
    return ax


def plot_trust(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How often each side is right where network and symbols disagree, one row per variant.

    Parameters
    ----------
    table : DataFrame
        Columns ``variant, side, value, low, high``; sides as in `SIDES`.
    """
    ax = axes_or_current(ax)
    variants = list(dict.fromkeys(table["variant"]))
    for i, (side, (colour, marker)) in enumerate(SIDES.items()):
        rows = table[table["side"] == side].set_index("variant").reindex(variants)
        y = np.arange(len(variants)) + (i - 2) * 0.13
        middle = rows["value"].to_numpy()
        spread = np.abs(rows[["low", "high"]].to_numpy().T - middle)
        ax.errorbar(middle, y, xerr=spread, color=colour, marker=marker, ls="none", label=side)
    ax.set_yticks(np.arange(len(variants)), variants)
    ax.set_ylim(len(variants) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    ax.set_xlabel("share of disagreements in which this side is right")
    return ax


def plot_regret(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Normalised regret over training steps, one thin line per seed.

    Parameters
    ----------
    table : DataFrame
        Columns ``estimator, seed, step, regret`` of one form and one number of genes.
    """
    ax = axes_or_current(ax)
    for estimator, (colour, _, style) in ESTIMATORS.items():
        here = table[table["estimator"] == estimator]
        for i, (_, run) in enumerate(here.groupby("seed")):
            ax.plot(run["step"], run["regret"], color=colour, ls=style, lw=1.2,
                    label=estimator if i == 0 else None)  # fmt: skip
    ax.set_xlabel("training step")
    ax.set_ylabel("normalised regret")
    ax.set_ylim(bottom=0)
    return ax


def plot_regret_by_size(
    table: pd.DataFrame, ax: Axes | None = None, estimators: Sequence[str] = tuple(ESTIMATORS)
) -> Axes:
    """Normalised regret at the end against the number of genes; a point per seed, a line of means.

    Parameters
    ----------
    table : DataFrame
        Columns ``estimator, n_genes, seed, start, regret`` of one form.
    """
    ax = axes_or_current(ax)
    start = table.groupby("n_genes")["start"].mean()
    ax.plot(start.index, start, color="0.5", ls=":", lw=1.2, label="before training")
    for estimator in estimators:
        colour, marker, style = ESTIMATORS[estimator]
        here = table[table["estimator"] == estimator]
        ax.plot(here["n_genes"], here["regret"], color=colour, marker=marker, ls="none", alpha=0.6)
        mean = here.groupby("n_genes")["regret"].mean()
        ax.plot(mean.index, mean, color=colour, marker=marker, ls=style, lw=1.4, label=estimator)
    ax.set_xscale("log")
    sizes = sorted(table["n_genes"].unique())
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.set_xlabel("genes")
    ax.set_ylabel("normalised regret at the end")
    ax.set_ylim(bottom=0)
    return ax
