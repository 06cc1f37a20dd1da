"""Figures of the pathway analysis: verdicts, ranked pathways, NES, recovery, edits, one module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from companion.plot.theme import COLOURS, axes_or_current, plot_points, plot_stacks, rows_of

__all__ = [
    "plot_bounds",
    "plot_meaning",
    "plot_module",
    "plot_nes",
    "plot_pathways",
    "plot_recovery",
    "plot_verdicts",
]

#: What happened to a pathway: colour and hatch.
VERDICTS = {
    "unchanged": ("0.72", ""),
    "gained": ("#009E73", ""),
    "lost": ("#D55E00", ""),
    "undecided": ("white", "////"),
}

#: What happened to an edge: colour and line style.
EDITS = {
    "kept": ("0.75", "-"),
    "added": ("#0072B2", "-"),
    "dropped": ("#D55E00", (0, (4, 2))),
    "flipped": ("#CC79A7", "-"),
}

LABELS = {
    "recovery": "change in recovery (AUROC)",
    "influence": "change in NES of influence",
}


def plot_verdicts(table: pd.DataFrame, networks: Sequence[str], ax: Axes | None = None) -> Axes:
    """How many pathways are unchanged, gained, lost or undecided: one bar per network.

    Parameters
    ----------
    table : DataFrame
        Rows of ``shares`` of one statistic.
    networks : sequence of str
        From top to bottom.
    ax : Axes, optional
    """
    ax = axes_or_current(ax)
    plot_stacks(ax, table, networks, VERDICTS, ("network", "verdict", "pathways"))
    ax.set_xlabel("share of pathways")
    ax.axvline(0.5, color="0.2", lw=0.8, ls=":")
    return ax


def plot_pathways(table: pd.DataFrame, bound: float, ax: Axes | None = None) -> Axes:
    """Ranked changes of pathways with 95% intervals, beside the range under random edits.

    Parameters
    ----------
    table : DataFrame
        Rows of ``changes`` of one network and statistic, top row first, with ``label``.
    bound : float
        Largest change that does not matter, drawn as a band.
    """
    ax = axes_or_current(ax)
    y = np.arange(len(table))
    ax.axvspan(-bound, bound, color="0.93", zorder=0)
    ax.axvline(0, color="0.3", lw=0.8, zorder=1)
    ax.hlines(y, table["random_low"], table["random_high"], color="0.72", lw=6, zorder=2)
    for verdict in VERDICTS:
        mine = (table["verdict"] == verdict).to_numpy()
        look: dict[str, Any] = {"ms": 5, "elinewidth": 1.1, "ls": "none", "zorder": 3}
        plot_points(ax, table[mine], y[mine], "change", **look | _mark(verdict))
    rows_of(ax, table["label"].tolist(), 0.4)
    for tick, beyond in zip(ax.get_yticklabels(), table["q_random"] <= 0.05, strict=True):
        tick.set_fontweight("bold" if beyond else "normal")
    ax.tick_params(axis="y", labelsize="small", length=0)
    ax.set_xlabel(LABELS[str(table["statistic"].iloc[0])])
    return ax


def verdict_handles() -> list[Line2D | Patch]:
    """Legend of `plot_pathways`."""
    verdicts = [Line2D([], [], label=verdict, **_mark(verdict)) for verdict in VERDICTS]
    random = Line2D([], [], color="0.72", lw=6, label="95% of random edits")
    return [*verdicts, random, Patch(color="0.93", label="does not matter")]


def _mark(verdict: str) -> dict[str, Any]:
    """Colour of the line, marker and its face."""
    colour, _ = VERDICTS[verdict]
    line = colour if colour.startswith("#") else "black"
    return {"color": line, "marker": "D" if colour == "white" else "o", "mfc": colour}


def plot_nes(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Normalised enrichment scores before and after, with the identity; moved pathways named.

    Parameters
    ----------
    table : DataFrame
        ``before, after, kind`` (a key of the legend: ``moved`` or else), ``label`` (empty: no name)
        and ``bound``.
    """
    ax = axes_or_current(ax)
    values = table[["before", "after"]].to_numpy()
    low, high = values.min() - 0.3, values.max() + 0.3
    line, bound = np.array([low, high]), float(table["bound"].iloc[0])
    ax.fill_between(line, line - bound, line + bound, color="0.93", lw=0)
    ax.plot(line, line, color="0.3", lw=0.8)
    ax.axhline(0, color="0.8", lw=0.6, zorder=0)
    ax.axvline(0, color="0.8", lw=0.6, zorder=0)
    looks = {
        "enriched in neither": ("0.6", "o"),
        "enriched in both": (COLOURS["original"], "o"),
        "only before": (VERDICTS["lost"][0], "v"),
        "only after": (VERDICTS["gained"][0], "^"),
    }
    for kind, (colour, marker) in looks.items():
        rows = table[table["kind"] == kind]
        ax.plot(
            rows["before"], rows["after"], ls="none", marker=marker, ms=5, color=colour,
            mec="white", mew=0.4, label=f"{kind} ({len(rows)})",
        )  # fmt: skip
    named = table[table["label"] != ""].sort_values("after")
    right = high + 0.04 * (high - low)
    heights = _apart(named["after"].to_numpy(), 0.052 * (high - low), low, high)
    for (_, row), height in zip(named.iterrows(), heights, strict=True):
        ax.annotate(
            str(row["label"]), (row["before"], row["after"]), xytext=(right, height),
            textcoords="data", fontsize="small", va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "0.7", "lw": 0.5, "shrinkB": 2},
        )  # fmt: skip
    ax.set(xlim=(low, high), ylim=(low, high), xlabel="NES, original network")
    ax.set_ylabel("NES, refined network")
    ax.set_aspect("equal")
    return ax


def _apart(values: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Ascending heights of labels, at least ``gap`` apart, near their points, inside the axes."""
    placed = np.array(values, dtype=float)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    top = high
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], top)
        top = placed[i] - gap
    return placed + max(0.0, low - placed.min()) if len(placed) else placed


def plot_recovery(table: pd.DataFrame, networks: Sequence[str], ax: Axes | None = None) -> Axes:
    """Recovery of held-out halves, mean over pathways with 95% interval, and its null.

    Parameters
    ----------
    table : DataFrame
        Rows of ``recovery`` of one measure.
    networks : sequence of str
        From top to bottom.
    """
    ax = axes_or_current(ax)
    rows = table.set_index("network").loc[list(networks)]
    y = np.arange(len(rows))
    for prefix, colour, marker, label, shift in (
        ("null_", "0.55", "|", "degree-matched random sets", 0.14),
        ("", COLOURS["original"], "o", "pathways", -0.14),
    ):
        ends = (f"{prefix}low", f"{prefix}high")
        plot_points(
            ax, rows, y + shift, f"{prefix}mean", ends=ends, color=colour, marker=marker,
            ls="none", label=label,
        )  # fmt: skip
    rows_of(ax, networks)
    ax.set_xlabel(f"{table['measure'].iloc[0]} of the held-out half")
    return ax


def plot_bounds(table: pd.DataFrame, bound: float, ax: Axes | None = None) -> Axes:
    """Share of pathways that moved no further than a bound, for every bound.

    Parameters
    ----------
    table : DataFrame
        Rows of ``moved`` of one statistic; networks ``refined`` and ``modules destroyed``.
    bound : float
        The one used elsewhere, as a vertical line.
    """
    ax = axes_or_current(ax)
    by_network = dict(list(table.groupby("network")))
    refined, destroyed = by_network["refined"], by_network["modules destroyed"]
    ax.fill_between(
        refined["bound"], refined["random_low"], refined["random_high"], color="0.85", lw=0,
        label="random edits, as many (95%)",
    )  # fmt: skip
    ax.plot("bound", "share", data=refined, color=COLOURS["refined"], marker="o", label="refined")
    ax.plot("bound", "share", data=destroyed, color="black", ls="--", marker="x",
            label="modules destroyed")  # fmt: skip
    ax.axvline(bound, color="0.3", lw=0.8, ls=":")
    unit = "AUROC" if table["statistic"].iloc[0] == "recovery" else "NES"
    ax.set(ylim=(0, 1.02), xlabel=f"largest change allowed ({unit})", ylabel="share of pathways")
    ax.set_xlim(0, None)
    return ax


def plot_meaning(table: pd.DataFrame, networks: Sequence[str], ax: Axes | None = None) -> Axes:
    """How much more often added edges share something than pairs of equal degree, with intervals.

    Parameters
    ----------
    table : DataFrame
        ``meaning``.
    networks : sequence of str
        One colour and marker each.
    """
    ax = axes_or_current(ax)
    relations = list(dict.fromkeys(table["relation"]))
    colours = [COLOURS["refined"], COLOURS["original"], COLOURS["published"], "0.45"]
    for i, (name, colour) in enumerate(zip(networks, colours, strict=False)):
        rows = table[table["network"] == name]
        y = np.array([relations.index(r) for r in rows["relation"]]) + (i - 1.5) * 0.17
        plot_points(
            ax, rows, y, "difference", scale=100, color=colour, marker="osD^"[i], ms=5, ls="none",
            label=name,
        )  # fmt: skip
    ax.axvline(0, color="0.3", lw=0.8)
    rows_of(ax, relations)
    ax.set_xlabel("added edges beyond pairs of equal degree (percentage points)")
    return ax


def plot_module(
    nodes: pd.DataFrame, edges: pd.DataFrame, when: str, ax: Axes | None = None
) -> Axes:
    """One pathway: its regulators on the left, its genes on the right, edits coloured.

    Parameters
    ----------
    nodes : DataFrame
        ``gene, name, x, y, regulator`` (bool).
    edges : DataFrame
        ``source, target`` (nodes), ``kind`` (kept, added, dropped, flipped), and the state
        ``before`` and ``after``.
    when : {"before", "after"}
        Added edges are drawn after, dropped ones before.
    """
    ax = axes_or_current(ax)
    graph = nx.DiGraph()
    place = {row.gene: (row.x, row.y) for row in nodes.itertuples()}
    graph.add_nodes_from(place)
    for (kind, state), rows in edges[edges[when] != "0"].groupby(["kind", when], sort=True):
        colour, style = EDITS[str(kind)]
        pairs = list(zip(rows["source"], rows["target"], strict=True))
        graph.add_edges_from(pairs)
        nx.draw_networkx_edges(
            graph, place, edgelist=pairs, ax=ax, edge_color=colour, style=style, node_size=60,
            width=0.9 if kind == "kept" else 2.0, arrowsize=9 if state != "-" else 4,
            arrowstyle="-|>" if state != "-" else "|-|, widthA=0, widthB=0.9",
        )  # fmt: skip
    for regulator, rows in nodes.groupby("regulator"):
        ax.plot(
            rows["x"], rows["y"], ls="none", marker="s" if regulator else "o", ms=6, zorder=3,
            color="0.25" if regulator else "white", mec="0.25",
        )  # fmt: skip
        for row in rows.itertuples():
            ax.annotate(
                row.name, (row.x, row.y), xytext=(-7 if regulator else 7, 0),
                textcoords="offset points", ha="right" if regulator else "left", va="center",
                fontsize="small",
            )  # fmt: skip
    ax.set(xlim=(-0.42, 1.3), ylim=(-0.04, 1.04))
    ax.axis("off")
    return ax


def edit_handles() -> list[Line2D]:
    """Legend of `plot_module`."""
    looks = [(kind, *EDITS[kind]) for kind in EDITS]
    return [Line2D([], [], color=c, ls=s, lw=2 if k != "kept" else 1, label=k) for k, c, s in looks]
