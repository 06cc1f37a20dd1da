"""Figures of the inconsistency analysis: what data and network say of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.plot.theme import COLOURS, axes_or_current, plot_points, plot_stacks, rows_of

__all__ = [
    "plot_annotation",
    "plot_bars",
    "plot_by_k",
    "plot_null",
    "plot_regulators",
    "plot_retrieval",
]

#: What becomes of a measured change: colour and hatch.
KINDS = {
    "consistent": ("#009E73", ""),
    "conflicting": ("#D55E00", ""),
    "ambiguous": ("0.80", "////"),
    "not reached": ("0.92", ""),
}

_LOOKS = (("#0072B2", "o"), ("#E69F00", "s"))


def plot_bars(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Measured changes as stacked bars: consistent, conflicting, ambiguous, not reached.

    Parameters
    ----------
    table : DataFrame
        Rows of ``shares`` of one scope, with ``label``; bars from top to bottom.
    ax : Axes, optional
    """
    ax = axes_or_current(ax)
    labels = list(dict.fromkeys(table["label"]))
    percent = table.assign(percent=[f"{100 * share:.0f}" for share in table["share"]])
    plot_stacks(ax, percent, labels, KINDS, ("label", "quantity", "percent"))
    ax.set_xlabel("share of measured changes")
    return ax


def plot_by_k(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    published: tuple[float, float] | None = None,
) -> Axes:
    """One share by the longest path, one line per network and rule, with 95% intervals.

    Parameters
    ----------
    table : DataFrame
        Rows of ``shares`` of one scope and quantity.
    published : (float, float), optional
        The paper's range, drawn as a band.
    """
    ax = axes_or_current(ax)
    if published is not None:
        ax.axhspan(*published, color=COLOURS["published"], alpha=0.18, lw=0, label="published")
    networks = list(dict.fromkeys(table["network"]))
    rules = list(dict.fromkeys(table["rule"]))
    for i, network in enumerate(networks):
        for j, rule in enumerate(rules):
            rows = table[(table["network"] == network) & (table["rule"] == rule)].sort_values("k")
            colour, marker = _LOOKS[i % 2]
            shift = 0.07 * (2 * i + j - 1.5)
            plot_points(
                ax, rows, rows["k"] + shift, "share", upright=True, color=colour, marker=marker,
                ms=5, elinewidth=1, ls="--" if j else "-", mfc="white" if j else colour,
                label=f"{network}, {rule}",
            )  # fmt: skip
    ax.set_xticks(sorted(table["k"].unique()))
    ax.set_xlabel("longest path k")
    ax.set_ylim(0, None)
    return ax


def plot_regulators(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Changes of which the network speaks, perturbation by perturbation: conflicts to the left.

    Parameters
    ----------
    table : DataFrame
        ``label, consistent, conflicting, agreement``, top row first.
    """
    ax = axes_or_current(ax)
    y = np.arange(len(table))
    for sign, kind in ((-1, "conflicting"), (1, "consistent")):
        ax.barh(y, sign * table[kind], color=KINDS[kind][0], height=0.7, label=kind)
    reach = float(max(table["consistent"].max(), table["conflicting"].max(), 1))
    for place, (right, rate) in enumerate(
        zip(table["consistent"], table["agreement"], strict=True)
    ):
        ax.text(right + 0.02 * reach, place, f"{rate:.0%}", va="center", fontsize="small")
    ax.axvline(0, color="0.3", lw=0.8)
    rows_of(ax, table["label"].tolist(), 0.4)
    ax.tick_params(axis="y", labelsize="small", length=0)
    ax.set_xlim(-1.08 * float(table["conflicting"].max()) - 0.02 * reach, 1.14 * reach)
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.set_xlabel("measured changes of which the network speaks")
    return ax


def plot_null(draws: pd.DataFrame, summary: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Agreement under each null, and ours as a line.

    Parameters
    ----------
    draws : DataFrame
        Rows of ``draws`` of one network and closure.
    summary : DataFrame
        Rows of ``nulls`` for the same, statistic ``agreement``.
    """
    ax = axes_or_current(ax)
    colours = {"signs": "#0072B2", "signs by regulator": "#56B4E9", "labels": "#E69F00"}
    ours = float(summary["ours"].iloc[0])
    values = draws["agreement"].dropna()
    if len(values):
        bins = np.linspace(min(values.min(), ours) - 0.01, max(values.max(), ours) + 0.01, 31)
        for name, part in draws.groupby("null", sort=False):
            p = float(summary.loc[summary["null"] == name, "p"].iloc[0])
            ax.hist(
                part["agreement"].dropna(), bins=list(bins), color=colours[str(name)], alpha=0.55,
                label=f"{name} shuffled (p = {p:.3f})", edgecolor="white", lw=0.4,
            )  # fmt: skip
    ax.axvline(ours, color=KINDS["consistent"][0], lw=2.2, label=f"ours, {ours:.0%}")
    ax.set(xlabel="agreement where the network speaks", ylabel="draws")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return ax


def plot_annotation(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A share by how well genes are annotated, one line per network, with 95% intervals.

    Parameters
    ----------
    table : DataFrame
        Rows of ``annotation`` of one kind of annotation and one quantity.
    """
    ax = axes_or_current(ax)
    groups = ["none", "low", "middle", "high"]
    for i, (network, rows) in enumerate(table.groupby("network", sort=False)):
        rows = rows[rows["total"] > 0]
        colour, marker = _LOOKS[i % 2]
        place = np.array([groups.index(g) for g in rows["group"]]) + 0.1 * (i - 0.5)
        plot_points(
            ax, rows, place, "share", upright=True, color=colour, marker=marker, ms=5,
            elinewidth=1, label=str(network),
        )  # fmt: skip
    ax.set_xticks(range(4), groups)
    ax.set_xlim(-0.4, 3.4)
    ax.set_xlabel(str(table["by"].iloc[0]))
    return ax


def plot_retrieval(table: pd.DataFrame, outcomes: Sequence[str], ax: Axes | None = None) -> Axes:
    """How direct edges show in the data, beside other genes of the same conditions.

    Parameters
    ----------
    table : DataFrame
        Rows of ``retrieval`` of the unit ``condition × target``.
    outcomes : sequence of str
        From top to bottom.
    """
    ax = axes_or_current(ax)
    networks = list(dict.fromkeys(table["network"]))
    for i, network in enumerate(networks):
        rows = table[table["network"] == network].set_index("outcome").loc[list(outcomes)]
        y = np.arange(len(rows)) + 0.2 * (i - (len(networks) - 1) / 2)
        colour, marker = _LOOKS[i % 2]
        plot_points(
            ax, rows, y, "share", color=colour, marker=marker, ms=6, ls="none",
            label=f"targets in {network}",
        )  # fmt: skip
        ax.plot(
            rows["expected"], y, ls="none", marker="|", ms=13, mew=2, color="0.35",
            label="other genes" if i == 0 else None,
        )  # fmt: skip
    rows_of(ax, outcomes)
    ax.set_xlim(0, None)
    ax.set_xlabel("share of direct edges, condition by condition")
    return ax
