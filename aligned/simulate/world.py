"""The true network: heavy-tailed, signed, in transcription units and modules."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import networkx as nx
import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.knowledge import KnowledgeBase

__all__ = ["World", "draw_world", "modules"]

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.intp]


@dataclass(frozen=True)
class World:
    """Regulatory pairs as parallel arrays; regulator i is gene i. Dual pairs have both signs."""

    genes: list[str]
    names: dict[str, str]
    n_regulators: int
    source: Int
    target: Int
    activates: Float  # strength of activation, 0 = none
    inhibits: Float
    evidence: npt.NDArray[np.object_]

    def knowledge(self, self_loops: str) -> KnowledgeBase:
        """The network as a knowledge base, with ``self_loops`` as their evidence."""
        genes = np.array(self.genes, dtype=object)
        parts = [
            pd.DataFrame(
                {
                    "source": genes[self.source[there]],
                    "target": genes[self.target[there]],
                    "sign": sign,
                    "evidence": self.evidence[there],
                }
            )
            for sign, there in ((1, self.activates > 0), (-1, self.inhibits > 0))
        ]
        loops = genes[: self.n_regulators : 9]
        parts.append(
            pd.DataFrame({"source": loops, "target": loops, "sign": -1, "evidence": self_loops})
        )
        edges = pd.concat(parts, ignore_index=True)
        return KnowledgeBase.from_edges(
            edges, self.genes, names=self.names, regulators=self.genes[: self.n_regulators]
        )


def draw_world(n_genes: int, n_regulators: int, n_edges: int, rng: np.random.Generator) -> World:
    """Heavy-tailed out-degrees, targets in transcription units, regulators in a hierarchy."""
    unit = n_regulators + _units(n_genes - n_regulators, rng)
    weight: Float = np.arange(1.0, n_regulators + 1) ** -0.8
    rank = rng.permutation(n_regulators)  # 0 = the most global regulator
    among = _regulator_edges(rank, weight, rng)
    pairs = round((n_edges - n_regulators // 9) / 1.03) - len(among)
    degree = np.maximum(2, weight / weight.sum() * pairs)[rank]
    popular = rng.lognormal(0.0, 0.7, size=unit[-1] - n_regulators + 1)
    popular /= popular.sum()
    taste = rng.beta(3.0, 2.0, size=n_regulators)  # how often a regulator activates
    size = np.bincount(unit - n_regulators)
    rows: list[tuple[int, int]] = []
    for source in range(n_regulators):
        order = rng.choice(len(popular), size=len(popular), replace=False, p=popular)
        within = np.cumsum(size[order]) - size[order] / 2 <= degree[source]
        chosen = np.isin(unit - n_regulators, order[within])
        rows += [(source, n_regulators + int(j)) for j in np.flatnonzero(chosen)]
    source, target = np.array(among + rows, dtype=np.intp).T
    block = np.concatenate([np.arange(n_regulators), unit])[target]
    # one sign and a common strength for a regulator's hold on a transcription unit
    _, bond = np.unique(source * n_genes + block, return_inverse=True)
    per_bond = int(bond.max()) + 1
    positive = (rng.random(per_bond)[bond] < taste[source]).astype(bool)
    strength = np.exp(rng.normal(0.25, 0.55, per_bond)[bond] + rng.normal(0, 0.4, len(source)))
    other = np.where(rng.random(len(source)) < 0.03, rng.lognormal(0.0, 0.6, len(source)), 0.0)
    genes = _ids("tf", n_regulators, 2) + _ids("g", n_genes - n_regulators, 3)
    return World(
        genes=genes,
        names=dict(zip(genes, _names(n_regulators, unit, rng), strict=True)),
        n_regulators=n_regulators,
        source=source,
        target=target,
        activates=np.where(positive, strength, other),
        inhibits=np.where(positive, other, strength),
        evidence=np.full(len(source), "truth", dtype=object),
    )


def _ids(prefix: str, count: int, digits: int) -> list[str]:
    digits = max(digits, len(str(count)))
    return [f"{prefix}{i:0{digits}d}" for i in range(1, count + 1)]


def _units(count: int, rng: np.random.Generator) -> Int:
    """Number of the transcription unit of each of ``count`` neighbouring genes, 1 to 4 a unit."""
    lengths = rng.integers(1, 5, size=count)
    return np.repeat(np.arange(count), lengths)[:count].astype(np.intp)


def _regulator_edges(rank: Int, weight: Float, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Regulator → regulator pairs: one or two parents higher up, and a few that close a cycle."""
    by_rank = np.argsort(rank)
    pairs: set[tuple[int, int]] = set()
    for place in range(1, len(rank)):
        above = weight[:place] / weight[:place].sum()
        parents = rng.choice(
            place, size=min(place, int(rng.integers(1, 3))), replace=False, p=above
        )
        pairs.update((int(by_rank[p]), int(by_rank[place])) for p in parents)
    down = sorted(pairs)
    middle = [p for p in down if rank[p[0]] >= len(rank) // 10]  # nothing feeds the very top
    count = min(len(middle), max(2, len(rank) // 12))
    for i in rng.choice(len(middle), size=count, replace=False):
        top, below = middle[i]
        further = [child for parent, child in down if parent == below]
        pairs.add((further[0] if further else below, top))
    return sorted(pairs)


def _names(n_regulators: int, unit: Int, rng: np.random.Generator) -> list[str]:
    """Invented names: ``lumoR`` for a regulator, ``baneA``, ``baneB`` for a unit's genes."""
    syllables = product("bdfglmnprstvz", "aeiou", "lmnrv", "aeiou")
    stems = rng.permutation(["".join(s) for s in syllables])

    def stem(i: int) -> str:
        again, i = divmod(i, len(stems))
        return str(stems[i]) + (str(again + 1) if again else "")

    regulators = [f"{stem(i)}R" for i in range(n_regulators)]
    _, first = np.unique(unit, return_index=True)
    letter = np.arange(len(unit)) - np.repeat(first, np.diff([*first, len(unit)]))
    return regulators + [f"{stem(int(u))}{'ABCD'[i]}" for u, i in zip(unit, letter, strict=True)]


def modules(truth: KnowledgeBase) -> dict[str, list[str]]:
    """Communities of the true network, named after the regulator with most targets inside."""
    edges = truth.to_edges()
    graph = nx.Graph()
    graph.add_nodes_from(truth.genes)
    graph.add_edges_from(edges[["source", "target"]].itertuples(index=False, name=None))
    sets: dict[str, list[str]] = {}
    for members in nx.community.louvain_communities(graph, seed=0):
        inside = edges[edges["source"].isin(members) & edges["target"].isin(members)]
        if len(members) >= 5 and len(inside):
            hub = inside["source"].value_counts().sort_index().idxmax()
            sets[f"{truth.names[hub]} module"] = [g for g in truth.genes if g in members]
    return dict(sorted(sets.items(), key=lambda item: (-len(item[1]), item[0])))
