"""The tables of the pathway analysis, one function each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from scipy.stats import binomtest, false_discovery_control

from aligned.data import Bundle
from aligned.knowledge import KnowledgeBase
from companion.editions.ecoli.expression import MEASURED
from companion.edits import with_names
from companion.parallel import side_by_side
from companion.pathways.changes import LEVEL, VERDICTS, Ruler, ends, held, matched_edits
from companion.pathways.enrichment import GeneSets, over_representation, recovery
from companion.pathways.meaning import meaning_table, relations
from companion.topology import rewired, topology

__all__ = [
    "MEASURED_ONLY",
    "distinct",
    "enrichment_table",
    "meaning",
    "measured_genes",
    "module_edges",
    "of_each",
    "overall_table",
    "power_table",
    "proportion",
    "recovery_table",
    "regulon_pairs",
    "regulon_table",
    "share_table",
    "stack",
    "topology_table",
]

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Found = TypeVar("Found")

#: Name of the added edges that no rebuilt response stands behind, in the table of their meaning.
MEASURED_ONLY = "refined, measured only"


def distinct(nets: Mapping[str, KnowledgeBase]) -> dict[str, str]:
    """Name of the first network that equals each one, so that no network is measured twice.

    Examples
    --------
    >>> net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": 1})
    >>> one, two, three = (KnowledgeBase.from_edges(net[:n], genes="abc") for n in (2, 1, 2))
    >>> distinct({"one": one, "two": two, "three": three})
    {'one': 'one', 'two': 'two', 'three': 'one'}
    """
    return {name: next(n for n, other in nets.items() if other == kb) for name, kb in nets.items()}


def measured_genes(bundle: Bundle) -> Bool:
    """Which genes of the network have a response, shape (n,)."""
    measured = np.zeros(len(bundle.kb.genes), dtype=bool)
    measured[bundle.kb.columns(list(map(str, bundle.data.var_names)))] = True
    return measured


def of_each(
    nets: Mapping[str, KnowledgeBase], measure: Callable[[KnowledgeBase], Found], n_jobs: int = 1
) -> dict[str, Found]:
    """What is measured of every network; equal ones are measured once."""
    first = distinct(nets)
    once = list(dict.fromkeys(first.values()))
    found = dict(zip(once, side_by_side(measure, [(nets[n],) for n in once], n_jobs), strict=True))
    return {name: found[first[name]] for name in nets}


# ------------------------------------------------------------------------------ the change tables


def stack(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of networks one below the other, the network's name first."""
    return pd.concat(tables, names=["network"]).reset_index("network").reset_index(drop=True)


def proportion(count: int, total: int) -> tuple[float, float, float]:
    """Share with its 95% interval (Wilson)."""
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return count / total, float(interval.low), float(interval.high)


def share_table(changes: pd.DataFrame) -> pd.DataFrame:
    """Pathways by verdict: ``network, statistic, verdict, pathways, share, low, high``."""
    rows = []
    for where, part in changes.groupby(["network", "statistic"], sort=False)["verdict"]:
        for verdict in VERDICTS:
            count = int((part == verdict).sum())
            rows.append((*where, verdict, count, *proportion(count, len(part))))
    names = ["network", "statistic", "verdict", "pathways", "share", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def overall_table(overall: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Whether all pathways together moved more than under random edits, per network."""
    key = ["network", "statistic"]
    beyond = (changes["q_random"] <= LEVEL).groupby([changes[k] for k in key]).sum()
    return overall.join(beyond.rename("beyond"), on=key)


def power_table(changes: pd.DataFrame, overall: pd.DataFrame) -> pd.DataFrame:
    """The controls in short: share of pathways lost or gained in some statistic, and the flag."""
    moved = changes["verdict"].isin(["lost", "gained"])
    each = moved.groupby([changes["network"], changes["pathway"]]).any()
    share = each.groupby("network").mean()
    flagged = overall.groupby("network")["flagged"].any()
    shown = ["original", "refined", "random edits", "modules destroyed"]
    table = pd.DataFrame({"share_changed": share, "flagged": flagged}).loc[shown]
    return table.rename(index={"original": "original, itself"}).reset_index()


def enrichment_table(
    nets: Mapping[str, KnowledgeBase], ruler: Ruler, permutations: int
) -> pd.DataFrame:
    """Preranked enrichment of every network: ``network, pathway, size, es, nes, p, q``."""
    careful = dataclasses.replace(ruler, permutations=permutations)
    table = stack(of_each(nets, careful.enrichment))
    table["q"] = false_discovery_control(table["p"])
    return table[["network", "pathway", "size", "es", "nes", "p", "q"]]


def regulon_table(
    kb: KnowledgeBase,
    nets: Mapping[str, KnowledgeBase],
    sets: GeneSets,
    nulls: dict[str, dict[str, Float]],
) -> pd.DataFrame:
    """Regulator-pathway pairs that are held before and after, and under random edits."""
    before = held(kb, sets)
    rows = []
    for name, net in nets.items():
        after = held(net, sets)
        share, low, high = proportion(len(before & after), max(1, len(before)))
        random = nulls[name]["kept"]
        rows.append(
            {
                "network": name,
                "held_before": len(before),
                "held_after": len(after),
                "kept": len(before & after),
                "gained": len(after - before),
                "kept_share": share,
                "low": low,
                "high": high,
                "random": float(random.mean()),
                **ends("random_", random),
            }
        )
    return pd.DataFrame(rows)


def regulon_pairs(kb: KnowledgeBase, refined: KnowledgeBase, sets: GeneSets) -> pd.DataFrame:
    """Every pair held by the original or the refined network, strongest first."""
    key = ["regulator", "pathway"]
    both = [over_representation(net, sets)[[*key, "overlap", "q"]] for net in (kb, refined)]
    table = both[0].merge(both[1], on=key, how="outer", suffixes=("_original", "_refined"))
    q = table[["q_original", "q_refined"]].fillna(1)
    table = table[(q <= LEVEL).any(axis=1)]
    for name in ("original", "refined"):
        table[f"minus_log10_q_{name}"] = -np.log10(q[f"q_{name}"].clip(lower=1e-300))
        table[f"overlap_{name}"] = table[f"overlap_{name}"].fillna(0).astype(int)
    table["name"] = [kb.names.get(g, g) for g in table["regulator"]]
    order = ["minus_log10_q_original", *key]
    table = table.sort_values(order, ascending=[False, True, True], ignore_index=True)
    return table.drop(columns=["q_original", "q_refined"])


def recovery_table(
    nets: Mapping[str, KnowledgeBase], ruler: Ruler, n_jobs: int = 1
) -> pd.DataFrame:
    """Mean recovery over pathways, of ours and of degree-matched random sets."""
    n = len(ruler.sets.names)
    draws = np.random.default_rng(ruler.seed).multinomial(n, np.full(n, 1 / n), size=1000)
    rows = []
    for name, found in of_each(nets, partial(_recovered, ruler), n_jobs).items():
        for measure, (ours, null) in found.items():
            row: dict[str, Any] = {"network": name, "measure": measure}
            for label, values in (("", ours), ("null_", null), ("excess_", ours - null)):
                row |= {f"{label}mean": values.mean(), **ends(label, draws @ values / n)}
            rows.append(row)
    return pd.DataFrame(rows)


def _recovered(ruler: Ruler, net: KnowledgeBase) -> dict[str, tuple[Float, Float]]:
    """Per measure, the recovery of every set and of degree-matched random sets, each (P,)."""
    both = (ruler.halves, ruler.halves.matched(net, ruler.seed))
    found = {}
    for measure, precision in (("AUROC", False), ("AUPRC", True)):
        ours, null = (recovery(net, h, ruler.restart, precision).mean(axis=1) for h in both)
        found[measure] = (ours, null)
    return found


# ------------------------------------------------------------------ edits, topology, one module


def meaning(
    bundle: Bundle, edits: Mapping[str, pd.DataFrame], sets: GeneSets, seed: int
) -> pd.DataFrame:
    """What added edges share, for networks that were edited on evidence, and at random.

    Where some responses were rebuilt from iModulons, edges that rest on them share an iModulon by
    construction; the network `MEASURED_ONLY` holds the refined edges of regulators none of whose
    perturbations was rebuilt.
    """
    kb, data = bundle.kb, bundle.data
    related = relations(kb, sets, bundle.other_kb, data.var, data.uns.get("imodulons"))
    measured = measured_genes(bundle)
    shown = {name: edits[name] for name in ("refined", "data alone", "Frobenius", "random edits")}
    if "imodulons" in data.uns and "expression_kind" in data.obs:
        own = ~edits["refined"]["source"].isin(_rebuilt(data))
        shown[MEASURED_ONLY] = edits["refined"][own]
    tables = {
        name: meaning_table(kb, made[made["before"] == "0"], related, measured, seed=seed)
        for name, made in shown.items()
    }
    return stack({name: t for name, t in tables.items() if len(t)} or tables)


def _rebuilt(data: AnnData) -> set[str]:
    """Genes perturbed in some condition whose responses were not measured directly."""
    rows = np.flatnonzero(data.obs["expression_kind"] != MEASURED)
    touched = sp.csr_array(data.obsm["perturbation"])[rows].indices
    return set(np.asarray(data.uns["genes"]).astype(str)[touched])


def topology_table(
    nets: Mapping[str, KnowledgeBase],
    edits: pd.DataFrame,
    n: int,
    seed: int,
    n_jobs: int,
    measured: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Topology; ``n`` rewired networks beside the original, ``n`` random edits beside refined.

    ``network, measure, value, null, null_mean, null_low, null_high``; the last two are the least
    and the largest value of the ``n``.
    """
    kb = nets["original"]
    shown = {name: nets[name] for name in ("original", "refined", "data alone", "Frobenius")}
    seeds = [seed + 1 + i for i in range(n)]
    random = [rewired(kb, s) for s in seeds]
    random += [matched_edits(kb, edits, s, measured) for s in seeds]
    found = of_each(shown, topology, n_jobs)
    drawn = list(side_by_side(topology, [(net,) for net in random], n_jobs))
    nulls = {"original": ("rewired", drawn[:n]), "refined": ("random edits", drawn[n:])}
    rows = []
    for name in shown:
        null, theirs = nulls.get(name, ("none", []))
        for measure, value in found[name].items():
            values = np.array([one[measure] for one in theirs] or [np.nan])
            about = {"network": name, "measure": measure, "value": value, "null": null}
            reach = {"null_low": values.min(), "null_high": values.max()}
            rows.append({**about, "null_mean": values.mean(), **reach})
    return pd.DataFrame(rows)


def module_edges(
    kb: KnowledgeBase,
    refined: KnowledgeBase,
    sets: GeneSets,
    changes: pd.DataFrame,
    most_members: int = 24,
) -> pd.DataFrame:
    """Edges of the pathway whose recovery moved most beyond random edits, and is small enough."""
    edits = kb.changes_to(refined)
    mine = changes[(changes["network"] == "refined") & (changes["statistic"] == "recovery")]
    mine = mine.set_index("pathway").loc[list(sets.names)]
    genes = np.array(kb.genes, dtype=object)
    touched = np.array([edits["target"].isin(genes[m]).sum() for m in sets.members])
    usable = (sets.sizes <= most_members) & (touched >= min(3, touched.max()))
    candidates = np.flatnonzero(usable if usable.any() else touched == touched.max())
    chosen = candidates[np.lexsort([-touched[candidates], mine["p_random"].iloc[candidates]])[0]]
    states = pd.concat({"before": kb.pairs(), "after": refined.pairs()}, axis=1).fillna("0")
    table = states.sort_index().reset_index()
    table = table[table["target"].isin(genes[sets.members[chosen]])].reset_index(drop=True)
    table.insert(0, "pathway", sets.names[int(chosen)])
    return with_names(table, kb)
