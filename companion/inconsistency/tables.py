"""Tables of the inconsistency analysis: edges, regulators, annotation, and the other network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.data import Rows
from aligned.knowledge import KnowledgeBase
from aligned.scores import bootstrap_weights
from companion.recovery import states
from companion.statistics import ratio

__all__ = [
    "annotation_table",
    "edge_table",
    "regulator_table",
    "retrieval_table",
    "sides_table",
    "thirds",
]

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]

#: Signs of a pair by its state: none, +, -, both.
SAYS = np.array(["no edge", "+", "-", "both signs"], dtype=object)
#: Sign of a pair's effect by its state; both signs say nothing.
SIGN = np.array([0, 1, -1, 0], dtype=np.int8)
OUTCOMES = ("expected sign", "opposite sign", "changed, edge of both signs", "unchanged")


# ---------------------------------------------------------------------------------------- edges


def _singles(kb: KnowledgeBase, rows: Rows) -> tuple[Index, Index, Int8]:
    """Conditions with one perturbed gene, a regulator: their rows, its row in the network, x."""
    single = np.diff(rows.x.indptr) == 1
    chosen = np.flatnonzero(single)
    gene = rows.x.indices[rows.x.indptr[chosen]]
    row_of = np.full(len(kb.genes), -1, dtype=np.intp)
    row_of[kb.regulator_index] = np.arange(len(kb.regulators))
    known = row_of[gene] >= 0
    chosen = chosen[known]
    return chosen, row_of[gene[known]], rows.x.data[rows.x.indptr[chosen]]


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
    state = states(kb)[:, measured]
    genes = np.array(kb.genes, dtype=object)
    parts = []
    for row in np.unique(regulator):
        mine = regulator == row
        target = np.flatnonzero(state[row])
        here = np.ix_(chosen[mine], target)
        counted, y = rows.counted[here], rows.y[here]
        deduced = x[mine][:, None] * SIGN[state[row, target]]
        changed = counted & (y != 0)
        parts.append(
            pd.DataFrame(
                {
                    "source": kb.regulators[row],
                    "target": genes[measured[target]],
                    "sign": SAYS[state[row, target]],
                    "conditions": counted.sum(axis=0),
                    "consistent": (changed & (deduced == y)).sum(axis=0),
                    "conflicting": (changed & (deduced == -y)).sum(axis=0),
                    "changed": changed.sum(axis=0),
                    "unchanged": (counted & (y == 0)).sum(axis=0),
                }
            )
        )
    columns = ["source", "target", "sign", "conditions", "consistent", "conflicting", "changed",
               "unchanged"]  # fmt: skip
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return table[table["conditions"] > 0].reset_index(drop=True)


def retrieval_table(
    kb: KnowledgeBase,
    rows: Rows,
    measured: Index,
    weights: Int,
    edges: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    """Known-relationship retrieval: are the network's direct edges seen in the data?

    Two units. ``condition × target``: each edge in each condition; *expected* is the share if the
    targets were drawn from the genes of the same condition that are no targets. ``pair``: each
    edge once, by the outcome of most of its conditions in which the target changed.
    """
    chosen, regulator, x = _singles(kb, rows)
    state = states(kb)[:, measured]
    sign = SIGN[state]
    seen: dict[str, list[float]] = {outcome: [] for outcome in OUTCOMES}
    due: dict[str, list[float]] = {outcome: [] for outcome in OUTCOMES}
    whole = []
    for i, row, direction in zip(chosen, regulator, x, strict=True):
        edge, counted, y = state[row] > 0, rows.counted[i], rows.y[i]
        deduced = direction * sign[row]
        rest = y[counted & ~edge]
        rate = {s: np.mean(rest == s) if len(rest) else np.nan for s in (-1, 1)}
        number = {s: int((counted & edge & (deduced == s)).sum()) for s in (-1, 0, 1)}
        here = counted & edge
        whole.append(float(here.sum()))
        told = here & (deduced != 0)
        seen["expected sign"].append(float((told & (y == deduced)).sum()))
        seen["opposite sign"].append(float((told & (y == -deduced)).sum()))
        seen["changed, edge of both signs"].append(float((here & (deduced == 0) & (y != 0)).sum()))
        seen["unchanged"].append(float((here & (y == 0)).sum()))
        due["expected sign"].append(number[1] * rate[1] + number[-1] * rate[-1])
        due["opposite sign"].append(number[1] * rate[-1] + number[-1] * rate[1])
        due["changed, edge of both signs"].append(number[0] * (rate[1] + rate[-1]))
        due["unchanged"].append(here.sum() * (1 - rate[1] - rate[-1]))
    table: list[dict[str, Any]] = []
    for outcome in OUTCOMES:
        part, chance, total = map(np.array, (seen[outcome], due[outcome], whole))
        share, low, high = ratio(part, total, weights[:, chosen])
        difference, less, more = ratio(part - chance, total, weights[:, chosen])
        table.append(
            {
                "unit": "condition × target",
                "outcome": outcome,
                "count": int(part.sum()),
                "total": int(total.sum()),
                "share": share,
                "low": low,
                "high": high,
                "expected": share - difference,
                "difference": difference,
                "difference_low": less,
                "difference_high": more,
            }
        )
    return pd.concat([pd.DataFrame(table), _pairs(edges, len(weights), seed)], ignore_index=True)


def _pairs(edges: pd.DataFrame, n_boot: int, seed: int) -> pd.DataFrame:
    kinds = {
        "expected sign": edges["consistent"] > edges["conflicting"],
        "opposite sign": edges["conflicting"] > edges["consistent"],
        "as often as not": (edges["consistent"] == edges["conflicting"])
        & (edges["consistent"] > 0),
        "changed, edge of both signs": (edges["sign"] == "both signs") & (edges["changed"] > 0),
        "unchanged": edges["changed"] == 0,
    }
    return pd.DataFrame(
        [
            {"unit": "pair", "outcome": outcome, **_by_source(mask, edges, n_boot, seed)}
            for outcome, mask in kinds.items()
        ]
    )


def _by_source(mask: pd.Series, edges: pd.DataFrame, n_boot: int, seed: int) -> dict[str, Any]:
    """Share of edges, and its interval by drawing regulators again."""
    if not len(edges):
        return {"count": 0, "total": 0, "share": np.nan, "low": np.nan, "high": np.nan}
    per = mask.astype(int).groupby(edges["source"]).agg(["sum", "size"])
    weights = bootstrap_weights(list(per.index), n_boot, seed)
    share, low, high = ratio(per["sum"], per["size"], weights)
    count, total = int(mask.sum()), len(edges)
    return {"count": count, "total": total, "share": share, "low": low, "high": high}


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
    for name, table in edges.items():
        table = table[table["sign"].isin(["+", "-"])].copy()
        others = {other: kb for other, kb in networks.items() if other != name}
        kb = networks[name]
        sorts = {
            "conflicting": table["conflicting"] > table["consistent"],
            "consistent": table["consistent"] > table["conflicting"],
            "without a change": table["changed"] == 0,
        }
        table["other"] = ""
        for other, there in others.items():
            table["other"] = _says(there, table)
            for sort, mask in sorts.items():
                part = table[mask]
                answers = {
                    "same sign": part["other"] == part["sign"],
                    "opposite sign": part["other"].isin(["+", "-"])
                    & (part["other"] != part["sign"]),
                    "both signs": part["other"] == "both signs",
                    "no edge": part["other"] == "no edge",
                }
                for says, agrees in answers.items():
                    sides.append(
                        {
                            "network": name,
                            "edges": sort,
                            "other_network": other,
                            "says": says,
                            **_by_source(agrees, part, n_boot, seed),
                        }
                    )
        bad = table[sorts["conflicting"]].assign(network=name)
        for end in ("source", "target"):
            bad[f"{end}_name"] = [kb.names.get(g, g) for g in bad[end]]
        bad["net"] = bad["conflicting"] - bad["consistent"]
        worst.append(bad.sort_values(["net", "source", "target"], ascending=[False, True, True]))
    first = ["network", "source", "target", "source_name", "target_name"]
    rest = ["sign", "other", "conditions", "conflicting", "consistent", "unchanged"]
    columns = [
        "network",
        "edges",
        "other_network",
        "says",
        "count",
        "total",
        "share",
        "low",
        "high",
    ]
    return (
        pd.DataFrame(sides, columns=columns),
        pd.concat(worst, ignore_index=True)[[*first, *rest]],
    )


def _says(kb: KnowledgeBase, edges: pd.DataFrame) -> npt.NDArray[np.object_]:
    """State of these pairs in a network."""
    row = pd.Index(kb.regulators).get_indexer(edges["source"])
    column = kb.index.get_indexer(edges["target"])
    state = states(kb)[row, column]
    return SAYS[np.where(row < 0, 0, state)]


# --------------------------------------------------------------------- regulators and annotation


def _changes(rows: Rows, delta: Int8) -> dict[str, npt.NDArray[np.bool_]]:
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
    cells = _changes(rows, delta)
    ids = ["+".join(kb.genes[j] for j in rows.x[[i]].indices) for i in range(len(rows))]
    names = ["+".join(kb.names.get(g, g) for g in p.split("+")) for p in ids]
    frame = pd.DataFrame(
        {
            "perturbation": ids,
            "name": names,
            "conditions": 1,
            **{name: mask.sum(axis=1) for name, mask in cells.items()},
        }
    )
    table = frame.groupby(["perturbation", "name"], as_index=False, sort=False).sum()
    spoken = table["consistent"] + table["conflicting"]
    table["agreement"] = (table["consistent"] / spoken.where(spoken > 0)).astype(float)
    net = table["conflicting"] - table["consistent"]
    order = pd.DataFrame({"net": net, "conflicting": table["conflicting"]})
    kept = order.sort_values(["net", "conflicting"], ascending=False, kind="stable").index
    return table.loc[kept].reset_index(drop=True)


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
    kb: KnowledgeBase,
    go_counts: pd.Series,
    measured: Index,
    rows: Rows,
    delta: Int8,
    weights: Int,
) -> pd.DataFrame:
    """Shares by how well genes are annotated: GO terms, and regulators in the network.

    Returns
    -------
    DataFrame
        ``by, group, least, most, genes, quantity, count, total, share, low, high``.
    """
    genes = [kb.genes[j] for j in measured]
    degree = np.asarray((kb.r_pos + kb.r_neg).astype(bool).sum(axis=0)).ravel()[measured]
    kinds = {
        "GO annotations": go_counts.reindex(genes).fillna(0).to_numpy(),
        "regulators in the network": degree,
    }
    cells = _changes(rows, delta)
    table: list[dict[str, Any]] = []
    for by, values in kinds.items():
        groups = thirds(values)
        for group in ("none", "low", "middle", "high"):
            mine = groups == group
            if not mine.any():
                continue
            counts = {name: mask[:, mine].sum(axis=1) for name, mask in cells.items()}
            spoken = counts["consistent"] + counts["conflicting"]
            pairs = {
                "absent": (counts["absent"], counts["changed"]),
                "conflicting": (counts["conflicting"], counts["changed"]),
                "conflicting where it speaks": (counts["conflicting"], spoken),
            }
            for quantity, (part, total) in pairs.items():
                share, low, high = ratio(part, total, weights)
                table.append(
                    {
                        "by": by,
                        "group": group,
                        "least": int(values[mine].min()),
                        "most": int(values[mine].max()),
                        "genes": int(mine.sum()),
                        "quantity": quantity,
                        "count": int(part.sum()),
                        "total": int(total.sum()),
                        "share": share,
                        "low": low,
                        "high": high,
                    }
                )
    return pd.DataFrame(table)
