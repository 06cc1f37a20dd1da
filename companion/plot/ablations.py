"""Figures of the ablations: parts switched off, who is right, what tells, learning to choose."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.plot.theme import COLOURS, axes_or_current

__all__ = ["plot_learning", "plot_parts", "plot_regret", "plot_reliability", "plot_rules"]

MARKERS = {"neural": "o", "integrated": "s"}
ESTIMATORS = {"local": ("#0072B2", "o", "-"), "reinforce": ("#D55E00", "s", "--")}
REASONS = {"adapter": ("#D55E00", "s", "-"), "weight": ("#0072B2", "o", "--"),
           "doubt": ("#009E73", "^", ":")}  # fmt: skip
RULES = {
    "always the network": ("#0072B2", "o"),
    "always the symbols": ("#E69F00", "D"),
    "a fair coin": ("0.5", "x"),
    "chosen side": ("#D55E00", "s"),
    "an oracle": ("#009E73", "^"),
}


def plot_parts(table: pd.DataFrame, ax: Axes | None = None, names: bool = True) -> Axes:
    """Forest of paired changes when a part is switched off, groups apart.

    Parameters
    ----------
    table : DataFrame
        Columns ``variant, group, label, score, difference, low, high``, the top row first.
    ax : Axes, optional
    names : bool
        Whether to name the groups on the right of the axes.
    """
    ax = axes_or_current(ax)
    rows = table.drop_duplicates("variant")
    groups = dict.fromkeys(rows["group"])
    place: dict[str, float] = {}
    y = 0.0
    for i, group in enumerate(groups):
        members = list(rows.loc[rows["group"] == group, "variant"])
        for variant in members:
            place[variant] = y
            y += 1
        if i % 2 == 0:
            ax.axhspan(place[members[0]] - 0.6, y - 0.4, color="0.95", lw=0, zorder=0)
        if names:
            ax.text(
                1.01, (place[members[0]] + y - 1) / 2, group, transform=ax.get_yaxis_transform(),
                va="center", fontsize="small", color="0.3",
            )  # fmt: skip
        y += 0.3
    for i, score in enumerate(("neural", "integrated")):
        here = table[table["score"] == score]
        middle = here["difference"].to_numpy()
        spread = np.abs(here[["low", "high"]].to_numpy().T - middle)
        at = here["variant"].map(place).to_numpy() + (i - 0.5) * 0.3
        ax.errorbar(middle, at, xerr=spread, color=COLOURS[score], marker=MARKERS[score], ms=4,
                    lw=1.2, ls="none", label=score)  # fmt: skip
    ax.axvline(0, color="0.3", lw=1)
    ax.set_yticks(list(place.values()), list(rows["label"]))
    ax.set_ylim(y - 0.6, -0.7)
    ax.set_xlabel("change")
    return ax


def plot_rules(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How often each way to choose is right: ``rule, share, low, high``, from top to bottom."""
    ax = axes_or_current(ax)
    for y, (_, row) in enumerate(table.iterrows()):
        colour, marker = RULES[str(row["rule"])]
        spread = np.abs(np.array([[row["low"]], [row["high"]]]) - row["share"])
        ax.errorbar([row["share"]], [y], xerr=spread, color=colour, marker=marker, ls="none")
    ax.set_yticks(range(len(table)), list(table["rule"]))
    ax.set(xlim=(-0.03, 1.03), ylim=(len(table) - 0.5, -0.5), xlabel="share of cells it is right")
    return ax


def plot_reliability(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How often the symbols are right against how much each reason trusts them.

    Parameters
    ----------
    table : DataFrame
        Columns ``reason, left, right, n, share, low, high`` of one variant; larger marks stand
        for more cells.
    ax : Axes, optional
    """
    ax = axes_or_current(ax)
    ax.plot([0, 1], [0, 1], color="0.6", lw=1, ls=":", label="trust is deserved")
    most = table["n"].max()
    for i, (reason, (colour, marker, style)) in enumerate(REASONS.items()):
        rows = table[table["reason"] == reason]
        x = ((rows["left"] + rows["right"]) / 2 + (i - 1) * 0.012).to_numpy()
        y = rows["share"].to_numpy()
        spread = np.abs(rows[["low", "high"]].to_numpy().T - y)
        ax.errorbar(x, y, yerr=spread, color=colour, ls=style, lw=1, elinewidth=0.8, label=reason,
                    marker=marker, ms=3)  # fmt: skip
        ax.scatter(x, y, s=8 + 110 * rows["n"] / most, color=colour, marker=marker, alpha=0.5, lw=0)
    ax.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="trust in the symbols",
           ylabel="share of cells where the symbols are right")  # fmt: skip
    return ax


def plot_learning(curves: pd.DataFrame, ax: Axes | None = None, close: float = 0.05) -> Axes:
    """Regret over the steps: the mean over seeds, a pale line per seed.

    Parameters
    ----------
    curves : DataFrame
        Columns ``estimator, seed, step, regret`` of one form and one number of genes.
    ax : Axes, optional
    close : float
        The regret that counts as arrived, as a dotted line.
    """
    ax = axes_or_current(ax)
    for estimator, (colour, _, style) in ESTIMATORS.items():
        rows = curves[curves["estimator"] == estimator]
        for _, one in rows.groupby("seed"):
            ax.plot(one["step"], one["regret"], color=colour, ls=style, lw=0.7, alpha=0.35)
        mean = rows.groupby("step")["regret"].mean()
        ax.plot(mean.index, mean, color=colour, ls=style, lw=1.8, label=estimator)
    ax.axhline(close, color="0.4", lw=0.8, ls=":")
    ax.set(xlabel="step", ylabel="regret", ylim=(0, None))
    return ax


def plot_regret(finals: pd.DataFrame, ax: Axes | None = None, close: float = 0.05) -> Axes:
    """Regret at the end by number of genes: the mean over seeds, every seed a small mark.

    Parameters
    ----------
    finals : DataFrame
        Columns ``estimator, n_genes, regret, start`` of one form.
    ax : Axes, optional
    close : float
        The regret that counts as arrived, as a dotted line.
    """
    ax = axes_or_current(ax)
    for estimator, (colour, marker, style) in ESTIMATORS.items():
        rows = finals[finals["estimator"] == estimator]
        ax.plot(rows["n_genes"], rows["regret"], color=colour, marker=marker, ms=3, ls="none",
                alpha=0.4)  # fmt: skip
        mean = rows.groupby("n_genes")["regret"].mean()
        ax.plot(mean.index, mean, color=colour, marker=marker, ls=style, label=estimator)
    start = finals.groupby("n_genes")["start"].mean()
    ax.plot(start.index, start, color="0.5", lw=1, ls="-.", label="untrained (the weights w)")
    ax.axhline(close, color="0.4", lw=0.8, ls=":")
    ax.set_xscale("log")
    ax.set(xlabel="genes to choose for", ylabel="regret at the end", ylim=(0, None))
    ax.set_xticks(sorted(finals["n_genes"].unique()),
                  [f"{n:,}" for n in sorted(finals["n_genes"].unique())])  # fmt: skip
    ax.minorticks_off()
    return ax
