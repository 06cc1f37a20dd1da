"""Tables of the inconsistency analysis: edges, regulators, annotation, and the other network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.data import Rows
from aligned.knowledge import KnowledgeBase
from aligned.scores import bootstrap_weights
from companion.edits import with_names
from companion.recovery import states
from companion.statistics import ratio

__all__ = [
    "annotation_table",
    "edge_table",
    "regulator_table",
    "retrieval_table",
    "share_of",
    "sides_table",
    "thirds",
]

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

#: Signs of a pair by its state: none, +, -, both.
SAYS = np.array(["no edge", "+", "-", "both signs"], dtype=object)
#: Sign of a pair's effect by its state; both signs say nothing.
SIGN = np.array([0, 1, -1, 0], dtype=np.int8)


def share_of(part: npt.ArrayLike, whole: npt.ArrayLike, weights: Int) -> dict[str, Any]:
    """``count, total, share, low, high`` of counts per replicate, for a row of a table."""
    share, low, high = ratio(part, whole, weights)
    count, total = int(np.sum(part)), int(np.sum(whole))
    return {"count": count, "total": total, "share": share, "low": low, "high": high}


def _by_source(mask: pd.Series, edges: pd.DataFrame, n_boot: int, seed: int) -> dict[str, Any]:
    """Share of edges, and its interval by drawing regulators again."""
    per = mask.astype(int).groupby(edges["source"]).agg(["sum", "size"])
    none = np.zeros((n_boot, 0), dtype=np.int64)
    weights = bootstrap_weights(list(per.index), n_boot, seed) if len(per) else none
    return share_of(per["sum"], per["size"], weights)


# ---------------------------------------------------------------------------------------- edges


def _singles(kb: KnowledgeBase, rows: Rows) -> tuple[Index, Index, Int8]:
    """Conditions with one perturbed gene, a regulator: their rows, its row in the network, x."""
    chosen = np.flatnonzero(np.diff(rows.x.indptr) == 1)
    place = rows.x.indptr[chosen]
    regulator = pd.Index(kb.regulator_index).get_indexer(rows.x.indices[place])
    known = regulator >= 0
    return chosen[known], regulator[known], rows.x.data[place[known]]


def _outcomes(deduced: Int8, y: Int8) -> dict[str, Bool]:
    """What becomes of cells that have an edge, by what the edge says and what was measured."""
    return {
        "expected sign": (deduced != 0) & (y == deduced),
        "opposite sign": (deduced != 0) & (y == -deduced),
        "changed, edge of both signs": (deduced == 0) & (y != 0),
        "unchanged": y == 0,
    }


def edge_table(kb: KnowledgeBase, rows: Rows, measured: Index) -> pd.DataFrame:
    """Every direct pair of a perturbed regulator with a measured target, and what was seen.

    Conditions with one perturbed gene only.

    Returns
    -------
    DataFrame
        ``source, target`` (ids), ``sign`` ("+", "-", "both signs"), ``conditions`` in which the
        target was measured, ``consistent, conflicting, changed, unchanged``. For both signs
        nothing is consistent or conflicting.
    """
    chosen, regulator, x = _singles(kb, rows)
    sources, group = np.unique(regulator, return_inverse=True)
    state = states(kb)[sources][:, measured]
    there = rows.counted[chosen] & (state[group] > 0)
    outcomes = _outcomes(x[:, None] * SIGN[state[group]], rows.y[chosen])
    member = (group == np.arange(len(sources))[:, None]).astype(np.int64)
    conditions = member @ there
    row, column = np.nonzero(conditions)
    count = {name: (member @ (there & mask))[row, column] for name, mask in outcomes.items()}
    return pd.DataFrame(
        {
            "source": np.array(kb.regulators, dtype=object)[sources[row]],
            "target": np.array(kb.genes, dtype=object)[measured[column]],
            "sign": SAYS[state[row, column]],
            "conditions": conditions[row, column],
            "consistent": count["expected sign"],
            "conflicting": count["opposite sign"],
            "changed": conditions[row, column] - count["unchanged"],
            "unchanged": count["unchanged"],
        }
    )


def retrieval_table(
    kb: KnowledgeBase, rows: Rows, measured: Index, weights: Int, edges: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Known-relationship retrieval: are the network's direct edges seen in the data?

    Two units. ``condition × target``: each edge in each condition; *expected* is the share if the
    targets were drawn from the genes of the same condition that are no targets. ``pair``: each
    edge once, by the outcome of most of its conditions in which the target changed.
    """
    chosen, regulator, x = _singles(kb, rows)
    state, counted, y = states(kb)[regulator][:, measured], rows.counted[chosen], rows.y[chosen]
    deduced, here, rest = x[:, None] * SIGN[state], counted & (state > 0), counted & (state == 0)
    with np.errstate(invalid="ignore"):
        up, down = ((rest & (y == s)).sum(axis=1) / rest.sum(axis=1) for s in (1, -1))
    rise, dual, fall = ((here & (deduced == s)).sum(axis=1) for s in (1, 0, -1))
    due = {
        "expected sign": rise * up + fall * down,
        "opposite sign": rise * down + fall * up,
        "changed, edge of both signs": dual * (up + down),
        "unchanged": here.sum(axis=1) * (1 - up - down),
    }
    whole, drawn, table = here.sum(axis=1), weights[:, chosen], []
    for outcome, mask in _outcomes(deduced, y).items():
        part = (here & mask).sum(axis=1)
        found = share_of(part, whole, drawn)
        difference, low, high = ratio(part - due[outcome], whole, drawn)
        beyond = {"expected": found["share"] - difference, "difference": difference,
                  "difference_low": low, "difference_high": high}  # fmt: skip
        table.append({"unit": "condition × target", "outcome": outcome, **found, **beyond})
    agree, differ = edges["consistent"], edges["conflicting"]
    kinds = {
        "expected sign": agree > differ,
        "opposite sign": differ > agree,
        "as often as not": (agree == differ) & (agree > 0),
        "changed, edge of both signs": (edges["sign"] == "both signs") & (edges["changed"] > 0),
        "unchanged": edges["changed"] == 0,
    }
    for outcome, found_in in kinds.items():
        share = _by_source(found_in, edges, len(weights), seed)
        table.append({"unit": "pair", "outcome": outcome, **share})
    return pd.DataFrame(table)


def sides_table(
    edges: Mapping[str, pd.DataFrame], networks: Mapping[str, KnowledgeBase], n_boot: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Whose side does the other network take? And the edges that conflict.

    Edges of one sign are sorted by what data say of them: *conflicting* in more conditions than
    consistent, the reverse, or without a change. For each sort: how often the other network has
    the same sign, the opposite one (with the data, where these conflict), both, or no edge.
    Intervals by drawing regulators again.
    """
    sides: list[dict[str, Any]] = []
    worst = []
    for name, found in edges.items():
        table = found[found["sign"].isin(["+", "-"])].assign(network=name, other="")
        net = table["conflicting"] - table["consistent"]
        sorts = {
            "conflicting": net > 0,
            "consistent": net < 0,
            "without a change": table["changed"] == 0,
        }
        for other, there in networks.items():
            if other == name:
                continue
            row = states(there, table["source"].tolist())
            theirs = SAYS[row[np.arange(len(table)), there.columns(table["target"].tolist())]]
            table["other"] = theirs
            answers = {
                "same sign": table["other"] == table["sign"],
                "opposite sign": table["other"].isin(["+", "-"])
                & (table["other"] != table["sign"]),
                "both signs": table["other"] == "both signs",
                "no edge": table["other"] == "no edge",
            }
            for (sort, mask), (says, agrees) in product(sorts.items(), answers.items()):
                share = _by_source(agrees[mask], table[mask], n_boot, seed)
                about = {"network": name, "edges": sort, "other_network": other, "says": says}
                sides.append({**about, **share})
        bad = with_names(table, networks[name]).assign(net=net)[sorts["conflicting"]]
        worst.append(bad.sort_values(["net", "source", "target"], ascending=[False, True, True]))
    columns = ["network", "edges", "other_network", "says", "count", "total", "share", "low",
               "high"]  # fmt: skip
    shown = ["network", "source", "target", "source_name", "target_name", "sign", "other",
             "conditions", "conflicting", "consistent", "unchanged"]  # fmt: skip
    return pd.DataFrame(sides, columns=columns), pd.concat(worst, ignore_index=True)[shown]


# --------------------------------------------------------------------- regulators and annotation


def _changes(rows: Rows, delta: Int8) -> dict[str, Bool]:
    """Measured changes, and those that the network explains, contradicts or says nothing of."""
    changed = rows.counted & (rows.y != 0)
    return {
        "changed": changed,
        "consistent": changed & (delta == rows.y),
        "conflicting": changed & (delta == -rows.y),
        "absent": changed & (delta == 0),
    }


def regulator_table(kb: KnowledgeBase, rows: Rows, delta: Int8) -> pd.DataFrame:
    """Per perturbation: conditions, measured changes, and how many the network explains.

    Most disagreeing first: by how many more changes conflict than agree.

    Returns
    -------
    DataFrame
        ``perturbation`` (ids joined by ``+``), ``name, conditions, changed, consistent,
        conflicting, absent, agreement``; nan where the network speaks of no measured change.
    """
    genes = [[kb.genes[j] for j in rows.x[[i]].indices] for i in range(len(rows))]
    counts = {name: mask.sum(axis=1) for name, mask in _changes(rows, delta).items()}
    about = {
        "perturbation": ["+".join(g) for g in genes],
        "name": ["+".join(kb.names.get(g, g) for g in some) for some in genes],
        "conditions": 1,
    }
    table = pd.DataFrame({**about, **counts})
    table = table.groupby(["perturbation", "name"], as_index=False, sort=False).sum()
    spoken = table["consistent"] + table["conflicting"]
    table["agreement"] = (table["consistent"] / spoken.where(spoken > 0)).astype(float)
    net = table["conflicting"] - table["consistent"]
    order = np.lexsort([-table["conflicting"], -net])
    return table.iloc[order].reset_index(drop=True)


def thirds(values: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """``none`` where 0, else ``low, middle, high``: thirds of the others, equal values together.

    Examples
    --------
    >>> thirds([0, 1, 2, 3]).tolist()
    ['none', 'low', 'middle', 'high']
    """
    numbers = np.asarray(values, dtype=float)
    groups = np.full(len(numbers), "none", dtype=object)
    some = numbers > 0
    if some.any():
        cuts = np.quantile(numbers[some], [1 / 3, 2 / 3], method="lower")
        place = np.searchsorted(cuts, numbers[some], side="left")
        groups[some] = np.array(["low", "middle", "high"], dtype=object)[place]
    return groups


def annotation_table(
    kb: KnowledgeBase, go_counts: pd.Series, measured: Index, rows: Rows, delta: Int8, weights: Int
) -> pd.DataFrame:
    """Shares by how well genes are annotated: GO terms, and regulators in the network.

    Returns
    -------
    DataFrame
        ``by, group, least, most, genes, quantity, count, total, share, low, high``.
    """
    kinds = {
        "GO annotations": go_counts.reindex([kb.genes[j] for j in measured]).fillna(0).to_numpy(),
        "regulators in the network": (states(kb)[:, measured] > 0).sum(axis=0),
    }
    cells = _changes(rows, delta)
    table: list[dict[str, Any]] = []
    for (by, values), group in product(kinds.items(), ("none", "low", "middle", "high")):
        mine = thirds(values) == group
        if not mine.any():
            continue
        counts = {name: mask[:, mine].sum(axis=1) for name, mask in cells.items()}
        about = {"by": by, "group": group, "least": int(values[mine].min()),
                 "most": int(values[mine].max()), "genes": int(mine.sum())}  # fmt: skip
        spoken = counts["consistent"] + counts["conflicting"]
        for quantity, part, whole in (
            ("absent", "absent", counts["changed"]),
            ("conflicting", "conflicting", counts["changed"]),
            ("conflicting where it speaks", "conflicting", spoken),
        ):
            share = share_of(counts[part], whole, weights)
            table.append({**about, "quantity": quantity, **share})
    return pd.DataFrame(table)
