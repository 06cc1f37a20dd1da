"""The pathway analysis as a reader sees it: rows for figures, sentences, and the rule of C16."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from companion.edits import kind_of
from companion.pathways.changes import LEVEL, STATISTICS
from companion.pathways.meaning import DRAWS
from companion.pathways.run import PathwayTables
from companion.statistics import with_interval

__all__ = [
    "answer",
    "change_rows",
    "edit_sentence",
    "module_drawing",
    "nes_rows",
    "network_table",
    "recovery_rows",
    "regulon_rows",
    "topology_rows",
    "same_bound",
    "shares_of",
    "with_interval",
]


def bound_of(tables: PathwayTables, statistic: str) -> float:
    """The largest change of a statistic that does not matter."""
    return float(tables.overall.set_index("statistic")["bound"].loc[[statistic]].iloc[0])


def short(pathway: str, width: int = 38) -> str:
    """A pathway's name without its database number, cut at a word if it is long.

    Examples
    --------
    >>> short("map00010 Glycolysis / Gluconeogenesis")
    'Glycolysis / Gluconeogenesis'
    """
    name = re.sub(r"^[a-z]{2,4}\d{5}\s+", "", pathway)
    return name if len(name) <= width else name[: width - 1].rsplit(" ", 1)[0] + " …"


# --------------------------------------------------------------------------------- rows and tables


def network_table(tables: PathwayTables) -> pd.DataFrame:
    """Every network: what it is, its edits, and what became of the pathways (text)."""
    edits = tables.networks[["added", "dropped", "flipped"]].map("{:,}".format)
    table = tables.networks[["network", "what", "pairs"]].rename(columns={"what": "what it is"})
    table["pairs"] = table["pairs"].map("{:,}".format)
    table["added / dropped / flipped"] = edits.agg(" / ".join, axis=1)
    for statistic in STATISTICS:
        shares = [shares_of(tables, name, statistic) for name in table["network"]]
        table[f"unchanged, {statistic}"] = [with_interval(s.loc["unchanged"]) for s in shares]
        table[f"lost or gained, {statistic}"] = [
            f"{s.loc['lost', 'pathways']} / {s.loc['gained', 'pathways']}" for s in shares
        ]
    return table


def change_rows(
    tables: PathwayTables, statistic: str, network: str = "refined", ends: int = 12
) -> pd.DataFrame:
    """Ranked changes for `companion.plot.plot_pathways`: the largest falls and rises."""
    rows = _changes(tables, network, statistic)
    rows = rows.sort_values(["change", "pathway"], ascending=[False, True], ignore_index=True)
    if len(rows) > 2 * ends:
        rows = pd.concat([rows[:ends], rows[-ends:]], ignore_index=True)
    sizes = rows["size"].astype(str)
    return rows.assign(label=rows["pathway"].map(short) + " (" + sizes + ")")


def _changes(tables: PathwayTables, network: str, statistic: str) -> pd.DataFrame:
    rows = tables.changes
    return rows[(rows["network"] == network) & (rows["statistic"] == statistic)]


def nes_rows(tables: PathwayTables, network: str = "refined", most: int = 12) -> pd.DataFrame:
    """NES before and after for `companion.plot.plot_nes`.

    Named, at most ``most``: pathways whose change is not 0 or lies beyond random edits (q), whose
    call changed, or that left the bound; those that moved furthest first.
    """
    wide = tables.enrichment.pivot(index="pathway", columns="network", values=["nes", "q"])
    bound = bound_of(tables, "influence")
    before, after = wide["nes", "original"], wide["nes", network]
    was, is_now = wide["q", "original"] <= LEVEL, wide["q", network] <= LEVEL
    kind = np.select(
        [was & is_now, was & ~is_now, ~was & is_now],
        ["enriched in both", "only before", "only after"],
        "enriched in neither",
    )
    moved = (after - before).abs()
    tested = _changes(tables, network, "influence").set_index("pathway").loc[wide.index]
    striking = tested["verdict"].isin(["lost", "gained"]) | (tested["q_random"] <= LEVEL)
    striking |= (moved > bound) | (was != is_now)
    named = striking & (moved.where(striking).rank(ascending=False, method="first") <= most)
    label = [short(p, 26) if n else "" for p, n in zip(wide.index, named, strict=True)]
    return pd.DataFrame(
        {"pathway": wide.index, "before": before.to_numpy(), "after": after.to_numpy(),
         "kind": kind, "label": label, "bound": bound}
    )  # fmt: skip


def recovery_rows(tables: PathwayTables) -> pd.DataFrame:
    """Recovery per network as text: mean, degree-matched null, and what is left beyond it."""
    table = tables.recovery[["network", "measure"]].copy()
    for label, kind in (("pathways", ""), ("null", "null_"), ("beyond the null", "excess_")):
        values = tables.recovery[[f"{kind}mean", f"{kind}low", f"{kind}high"]]
        table[label] = ["{:.3f} [{:.3f}, {:.3f}]".format(*row) for row in values.to_numpy()]
    return table


def topology_rows(tables: PathwayTables) -> pd.DataFrame:
    """Topology as text, measures in rows; nulls with their range in brackets."""
    columns: dict[str, pd.Series] = {}
    for name, rows in tables.topology.set_index("measure").groupby("network", sort=False):
        columns[str(name)] = rows["value"].map(_figure)
        if (null := rows["null"].iloc[0]) != "none":
            mean, low, high = (rows[f"null_{end}"].map(_figure) for end in ("mean", "low", "high"))
            columns[f"{name}: {null}"] = mean + " [" + low + ", " + high + "]"
    return pd.DataFrame(columns).reset_index()


def _figure(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.4f}"


def regulon_rows(tables: PathwayTables, most: int = 12) -> pd.DataFrame:
    """Regulator-pathway pairs that were lost or gained by refinement, strongest first."""
    table = tables.regulon_pairs
    strength = table[["minus_log10_q_original", "minus_log10_q_refined"]]
    held = strength >= -np.log10(LEVEL)
    changed = held["minus_log10_q_original"] != held["minus_log10_q_refined"]
    order = strength.max(axis=1)[changed].sort_values(ascending=False).index[:most]
    table, was = table.loc[order], held.loc[order, "minus_log10_q_original"]
    before, after = (table[f"overlap_{name}"].astype(str) for name in ("original", "refined"))
    return pd.DataFrame(
        {
            "regulator": table["name"],
            "pathway": table["pathway"],
            "what": was.map({True: "lost", False: "gained"}),
            "genes before → after": before + " → " + after,
            "-log10 q before": table["minus_log10_q_original"].abs().round(1),  # no -0.0
            "-log10 q after": table["minus_log10_q_refined"].abs().round(1),
        }
    )


def module_drawing(tables: PathwayTables, most: int = 12) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nodes and edges of the drawn pathway for `companion.plot.plot_module`.

    At most ``most`` regulators are shown: those with an edit first, then those with most targets
    here. Both columns are ordered so that edges cross little.
    """
    edges = tables.module.assign(kind=kind_of(tables.module))
    changed = edges["kind"] != "kept"
    weight = changed.groupby(edges["source"]).sum() * 1000 + edges.groupby("source").size()
    order = sorted(weight.index, key=lambda gene: (-weight[gene], gene))
    edges = edges[edges["source"].isin(order[:most])].reset_index(drop=True)
    left = sorted(set(edges["source"]))
    right = sorted(set(edges["target"]))
    for _ in range(8):
        left = _by_neighbours(left, right, edges, "source", "target")
        right = _by_neighbours(right, left, edges, "target", "source")
    name = dict(zip(edges["source"], edges["source_name"], strict=True))
    name |= dict(zip(edges["target"], edges["target_name"], strict=True))
    rows = [
        {
            "gene": f"{side}:{gene}",
            "name": name[gene],
            "x": float(side == "gene"),
            "y": 1 - (i + 0.5) / len(column),
            "regulator": side == "regulator",
        }
        for side, column in (("regulator", left), ("gene", right))
        for i, gene in enumerate(column)
    ]
    edges["source"] = "regulator:" + edges["source"]
    edges["target"] = "gene:" + edges["target"]
    return pd.DataFrame(rows), edges


def _by_neighbours(
    column: list[str], other: list[str], edges: pd.DataFrame, mine: str, theirs: str
) -> list[str]:
    """Genes in the order of the mean place of their neighbours (barycentre heuristic)."""
    place = {gene: (i + 0.5) / len(other) for i, gene in enumerate(other)}
    mean = edges[theirs].map(place).groupby(edges[mine]).mean()
    return sorted(column, key=lambda gene: (mean[gene], gene))


# ------------------------------------------------------------------------------------- sentences


def shares_of(tables: PathwayTables, network: str, statistic: str) -> pd.DataFrame:
    """Rows of ``shares`` of one network and statistic, by verdict."""
    rows = tables.shares
    rows = rows[(rows["network"] == network) & (rows["statistic"] == statistic)]
    return rows.set_index("verdict")


def same_bound(tables: PathwayTables, statistic: str) -> pd.Series:
    """Share of pathways within the bound: of the refined network, and of as many random edits."""
    rows = tables.moved
    rows = rows[(rows["network"] == "refined") & (rows["statistic"] == statistic)]
    return rows[np.isclose(rows["bound"], bound_of(tables, statistic))].iloc[0]


def answer(tables: PathwayTables) -> str:
    """The analysis in a few sentences, every number from the tables (Markdown)."""
    edits = tables.networks.set_index("network").loc["refined"]
    parts = [
        f"Refinement ({edits['added']:,} pairs added, {edits['dropped']:,} dropped, "
        f"{edits['flipped']:,} flipped) leaves"
    ]
    texts = []
    for statistic, what in (
        ("recovery", "in how well one half finds the other"),
        ("influence", "in the NES of regulatory influence"),
    ):
        shares = shares_of(tables, "refined", statistic)
        same = same_bound(tables, statistic)
        texts.append(
            f"**{with_interval(shares.loc['unchanged'])}** of the "
            f"{int(shares['pathways'].sum())} pathways unchanged {what} (within "
            f"±{bound_of(tables, statistic):g}; {shares.loc['lost', 'pathways']} lost, "
            f"{shares.loc['gained', 'pathways']} gained, "
            f"{shares.loc['undecided', 'pathways']} undecided; without regard to intervals "
            f"{same['share']:.0%} stay within, of as many random edits "
            f"{same['random']:.0%} [{same['random_low']:.0%}, {same['random_high']:.0%}])"
        )
    parts.append(f"{texts[0]}, and {texts[1]}.")
    flags = tables.overall.set_index(["network", "statistic"])
    mean = flags.loc[("refined", "recovery")]
    ours, random = (
        "{:+.3f} [{:+.3f}, {:+.3f}]".format(*mean[columns])
        for columns in (["change", "low", "high"], ["random", "random_low", "random_high"])
    )
    parts.append(
        f"On average the recovery changes by {ours}, under as many random edits by {random}."
    )
    moved = [s for s in STATISTICS if flags.loc[("refined", s), "flagged"]]
    parts.append(
        f"Taken together the pathways move **more** than under random edits in "
        f"{' and '.join(moved)}."
        if moved
        else "Taken together the pathways move no more than under random edits."
    )
    regulons = tables.regulons.set_index("network").loc["refined"]
    parts.append(
        f"Of {regulons['held_before']:.0f} regulator-pathway pairs, {regulons['kept']:.0f} stay "
        f"({regulons['kept_share']:.0%} [{regulons['low']:.0%}, {regulons['high']:.0%}]; random "
        f"edits {regulons['random']:.0%} [{regulons['random_low']:.0%}, "
        f"{regulons['random_high']:.0%}])."
    )
    power = tables.power.set_index("network")
    destroyed = power.loc["modules destroyed"]
    parts.append(
        "The test can fail: a network with its modules destroyed is "
        f"{'flagged' if destroyed['flagged'] else '**not** flagged'}, "
        f"{destroyed['share_changed']:.0%} of its pathways lost or gained."
    )
    return " ".join(parts)


def edit_sentence(tables: PathwayTables, network: str = "refined") -> str:
    """What added edges share beyond pairs of equal degree (Markdown)."""
    rows = tables.meaning[tables.meaning["network"] == network]
    if rows.empty:
        return f"The network *{network}* has no added edge."
    parts = [
        f"*{row.relation}*: {row.share:.1%} of {row.added:,} added edges, expected "
        f"{row.expected:.1%}, difference {100 * row.difference:+.1f} points "
        f"[{100 * row.low:+.1f}, {100 * row.high:+.1f}], p = {_p(row.p)}"
        for row in rows.itertuples()
    ]
    return "; ".join(parts) + "."


def _p(value: float) -> str:
    """A p value as it is read: at its floor, or with two digits."""
    floor = 1 / (1 + DRAWS)
    return f"{floor:.0e} (the least)" if value <= floor else f"{value:.2g}"
