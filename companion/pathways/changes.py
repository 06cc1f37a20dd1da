"""Has a pathway changed? Edited networks against as many random edits, and against a bound.

A change of a pathway can be *small* (equivalence: its whole interval lies within a bound that was
set beforehand) and it can be *more than random edits do* (permutation). The two are asked apart,
because a network edited at random may leave most pathways alone, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control, norm

from aligned.knowledge import STATES, KnowledgeBase
from companion.parallel import side_by_side
from companion.pathways.enrichment import (
    GeneSets,
    Halves,
    influence,
    over_representation,
    preranked,
    recovery,
)
from companion.recovery import states
from companion.statistics import interval

__all__ = [
    "LEVEL",
    "STATISTICS",
    "VERDICTS",
    "Comparison",
    "Ruler",
    "Scores",
    "compare",
    "ends",
    "held",
    "matched_edits",
    "random_edits",
    "scattered",
]

Float = npt.NDArray[np.float64]
Int8 = npt.NDArray[np.int8]

#: What is measured per pathway.
STATISTICS = {
    "recovery": "AUROC of one half of the pathway, walked to from the other half",
    "influence": "normalised enrichment score (NES) of genes ranked by regulatory influence",
}

#: What may become of a pathway; see `compare`.
VERDICTS = ("unchanged", "gained", "lost", "undecided")

#: False discovery rate of all calls.
LEVEL = 0.05


# ---------------------------------------------------------------------------- edited networks


def matched_edits(
    kb: KnowledgeBase, edits: pd.DataFrame, seed: int, measured: npt.ArrayLike | None = None
) -> KnowledgeBase:
    """Edit a network at random, as often and of the same kind as given, regulator by regulator.

    For every edit of regulator s another target is drawn, uniformly and without repetition: among
    the genes s has no edge to if the edit added one, else among the pairs of s with the same
    state. So every regulator has exactly as many activations and inhibitions as after the edits.
    Edits of measured genes go to measured genes only, and others to others: a refinement cannot
    add an edge to a gene that was never measured, and its random counterpart shall not either.

    Parameters
    ----------
    kb : KnowledgeBase
        The network before the edits.
    edits : DataFrame
        ``source, target, before, after`` as `KnowledgeBase.changes_to` gives them.
    seed : int
    measured : array of bool, shape (n,), optional
        Genes that were measured; default: all.

    Raises
    ------
    ValueError
        ``measured`` has another length than the genes, or an edit is not one of this network: its
        source is no regulator, its target no gene, or a state does not fit.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": "r", "target": list("abc"), "sign": [1, 1, -1]})
    >>> kb = KnowledgeBase.from_edges(net, genes=list("rabcdefg"))
    >>> edit = pd.DataFrame({"source": ["r"], "target": "d", "before": "0", "after": "-"})
    >>> len(kb.changes_to(matched_edits(kb, edit, seed=3)))
    1
    """
    rng = np.random.default_rng(seed)
    before = states(kb)
    after = before.copy()
    row_of = {gene: i for i, gene in enumerate(kb.regulators)}
    known = np.ones(len(kb.genes), bool) if measured is None else np.asarray(measured, dtype=bool)
    if known.shape != (len(kb.genes),):
        raise ValueError(
            f"measured has shape {known.shape}; give one value for each of the {len(kb.genes)} "
            "genes of the network."
        )
    column = kb.index.get_indexer(pd.Index(edits["target"]))
    if (column < 0).any():
        lost = edits["target"].iloc[int(np.flatnonzero(column < 0)[0])]
        raise ValueError(
            f"an edit's target {lost!r} is no gene of this network; give edits made by "
            "kb.changes_to(other) on this kb."
        )
    for (source, old, seen), group in edits.groupby(["source", "before", known[column]]):
        i = row_of.get(str(source))
        places = np.zeros(0, int)
        if i is not None:
            places = np.flatnonzero((before[i] == STATES.index(str(old))) & (known == seen))
            places = places[places != kb.regulator_index[i]]
        if len(places) < len(group):
            raise ValueError(
                f"{len(group)} edits change pairs of {source!r} from {old!r}, but the network has "
                f"{len(places)} such pairs; give edits made by kb.changes_to(other) on this kb."
            )
        drawn = rng.choice(places, size=len(group), replace=False)
        after[i, drawn] = [STATES.index(state) for state in group["after"]]
    return kb.with_state(after, evidence="random edit")


def held(kb: KnowledgeBase, sets: GeneSets, level: float = LEVEL) -> set[tuple[str, str]]:
    """Which regulator holds which set: pairs whose over-representation has q ≤ ``level``."""
    found = over_representation(kb, sets)
    found = found[found["q"] <= level]
    return set(zip(found["regulator"], found["pathway"], strict=True))


def scattered(kb: KnowledgeBase, sets: GeneSets, seed: int, level: float = LEVEL) -> KnowledgeBase:
    """Destroy the modules: what holds the genes of a set together is moved elsewhere.

    A regulator *holds* a set that its regulon over-represents (`held`). Each of its edges to the
    set's genes is moved to a random gene of the universe that is in none of the sets it holds, as
    far as there are such genes, and else dropped. Signs stay.
    """
    rng = np.random.default_rng(seed)
    members = dict(zip(sets.names, sets.members, strict=True))
    after = states(kb)
    holds: dict[str, list[str]] = {}
    for source, name in sorted(held(kb, sets, level)):
        holds.setdefault(source, []).append(name)
    for source, names in holds.items():
        i = kb.regulators.index(source)
        inside = np.unique(np.concatenate([members[name] for name in names]))
        moved = inside[after[i, inside] > 0]
        room = np.setdiff1d(sets.universe, [*inside, *np.flatnonzero(after[i])])
        room = room[room != kb.regulator_index[i]]
        count = min(len(moved), len(room))
        signs = after[i, moved[:count]].copy()
        after[i, moved] = 0
        after[i, rng.choice(room, size=count, replace=False)] = signs
    return kb.with_state(after, evidence="scattered")


# ------------------------------------------------------------------------------ the comparison


@dataclass(frozen=True, eq=False)
class Scores:
    """One network, measured.

    Attributes
    ----------
    whole : dict of ndarray
        Each statistic of every set, (P,).
    halves : dict of ndarray
        Each statistic on every random half of a set, (P, n_splits), for the intervals.
    """

    whole: Mapping[str, Float]
    halves: Mapping[str, Float]


@dataclass(frozen=True, eq=False)
class Ruler:
    """What every network is measured with: the same sets, halves, random sets and bounds.

    Attributes
    ----------
    sets : GeneSets
    halves : Halves
        Random halves for the recovery, and for the intervals.
    permutations : int
        Random sets per size for the NES.
    restart, damping : float
        Of the random walk, and of the influence.
    bounds : mapping
        Per statistic, the largest change that does not matter.
    seed : int
    """

    sets: GeneSets
    halves: Halves
    permutations: int
    restart: float
    damping: float
    bounds: Mapping[str, float]
    seed: int

    def enrichment(self, kb: KnowledgeBase) -> pd.DataFrame:
        """Preranked enrichment of every set: ``pathway, size, es, nes, p``."""
        scores = influence(kb, self.damping)
        table = preranked(
            scores, self.sets.universe, self.sets.members, self.permutations, self.seed
        )
        return table.assign(pathway=list(self.sets.names))

    def measure(self, kb: KnowledgeBase) -> dict[str, Float]:
        """Both statistics of every set, each (P,)."""
        return {
            "recovery": recovery(kb, self.halves, self.restart).mean(axis=1),
            "influence": self.enrichment(kb)["nes"].to_numpy(),
        }

    def scores(self, kb: KnowledgeBase) -> Scores:
        """Both statistics of every set and of each of its random halves, in one go."""
        recovered, whole = recovery(kb, self.halves, self.restart), self.enrichment(kb)
        rows = [half for halves in self.halves.seeds for half in halves]
        ranking = influence(kb, self.damping)
        halves = preranked(ranking, self.sets.universe, rows, permutations=1, seed=self.seed)
        es = halves["es"].to_numpy().reshape(len(whole), -1)
        scale = (whole["nes"] / whole["es"].where(whole["es"] != 0)).fillna(0).to_numpy()
        return Scores(
            {"recovery": recovered.mean(axis=1), "influence": whole["nes"].to_numpy()},
            {"recovery": recovered, "influence": es * scale[:, None]},
        )


@dataclass(frozen=True, eq=False)
class Comparison:
    """How one edited network differs from the original, pathway by pathway.

    Attributes
    ----------
    changes : DataFrame
        One row per statistic × pathway; see `compare`.
    overall : DataFrame
        One row per statistic: the mean ``change`` over pathways with its interval ``low, high``
        (bootstrap over pathways), and under random edits (``random, random_low, random_high``);
        ``p_overall``, whether the pathways moved more than under random edits: permutation test of
        the mean standardised size; ``flagged`` on the level `LEVEL`, both statistics counted; and
        the ``bound`` within which a change does not matter.
    moved : DataFrame
        ``statistic, bound``, the share of pathways whose change is at most the bound (``share``),
        and the same for the random edits: ``random, random_low, random_high`` (95% of them).
    """

    changes: pd.DataFrame
    overall: pd.DataFrame
    moved: pd.DataFrame


def random_edits(
    original: KnowledgeBase,
    edits: pd.DataFrame,
    ruler: Ruler,
    n: int,
    n_jobs: int = 1,
    measured: npt.ArrayLike | None = None,
) -> dict[str, Float]:
    """What ``n`` random edits like these (`matched_edits`) do to the pathways.

    Returns
    -------
    dict of ndarray
        ``recovery``, ``influence``: change of each statistic, (n, P); ``kept``: share of the
        regulator-pathway pairs held before (`held`) that are held after, (n,).
    """
    if edits.empty:
        still = np.zeros((n, len(ruler.sets.names)))
        return {**dict.fromkeys(STATISTICS, still), "kept": np.ones(n)}
    start, before = ruler.measure(original), held(original, ruler.sets)

    def one(seed: int) -> tuple[dict[str, Float], float]:
        edited = matched_edits(original, edits, seed, measured)
        kept = len(before & held(edited, ruler.sets)) / max(1, len(before))
        return ruler.measure(edited), kept

    found = list(side_by_side(one, [(ruler.seed + 1 + i,) for i in range(n)], n_jobs))
    changes = {name: np.stack([f[name] - start[name] for f, _ in found]) for name in STATISTICS}
    return {**changes, "kept": np.array([kept for _, kept in found])}


def compare(original: Scores, other: Scores, ruler: Ruler, null: Mapping[str, Float]) -> Comparison:
    """Compare an edited network with the original, pathway by pathway.

    Parameters
    ----------
    original, other : Scores
        Both networks, from ``ruler.scores``; the original is measured once for all others.
    ruler : Ruler
    null : mapping
        Changes under random edits that match those from ``original`` to ``other``, from
        `random_edits`.

    Returns
    -------
    Comparison
        Its ``changes`` hold, per statistic and pathway:

        ``start, end, change, low, high``
            The statistic on both networks, and the paired change with its 95% interval: its
            standard deviation over random halves of the pathway, which is the delete-half
            jackknife's standard error (Shao and Wu 1989), times 1.96 on either side.
        ``q``
            Benjamini-Hochberg over all pathways and both statistics: the change is not 0.
        ``random, random_low, random_high, p_random, q_random``
            Mean and 95% range of the change under random edits, and the two-sided permutation
            test: the change, standardised by mean and deviation under random edits, against the
            random changes of all pathways together, each standardised by the others.
        ``verdict``
            ``unchanged``: the whole interval lies within the bound. Else ``lost`` or ``gained``
            where q ≤ `LEVEL`, else ``undecided``.
    """
    found = [_one_statistic(name, original, other, ruler, null[name]) for name in STATISTICS]
    rows, overall, moved = (pd.concat(t, ignore_index=True) for t in zip(*found, strict=True))
    rows["q"] = false_discovery_control(rows["p"])
    rows["q_random"] = false_discovery_control(rows["p_random"])
    bound = rows["statistic"].map(dict(ruler.bounds))
    within = (rows["low"] >= -bound) & (rows["high"] <= bound)
    way = np.where(rows["change"] < 0, "lost", "gained")
    sure = np.where(rows["q"] <= LEVEL, way, "undecided")
    rows["verdict"] = np.where(within, "unchanged", sure)
    overall["flagged"] = overall["p_overall"] <= LEVEL / len(overall)
    overall["bound"] = overall["statistic"].map(dict(ruler.bounds))
    return Comparison(rows.drop(columns="p"), overall, moved)


def _one_statistic(
    name: str, original: Scores, other: Scores, ruler: Ruler, null: Float
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Of one statistic: its rows of ``changes``, ``overall`` and ``moved``."""
    start, end, n = original.whole[name], other.whole[name], len(ruler.sets.names)
    change = end - start
    error = (other.halves[name] - original.halves[name]).std(axis=1, ddof=1)
    low, high = np.quantile(null, [0.025, 0.975], axis=0)
    ours, theirs = _standardised(change, null)
    rows = {
        "size": ruler.sets.sizes,
        "start": start,
        "end": end,
        "change": change,
        "low": change - 1.96 * error,
        "high": change + 1.96 * error,
        "p": 2 * norm.sf(np.abs(_ratio(change, error))),
        "random": null.mean(axis=0),
        "random_low": low,
        "random_high": high,
        "p_random": _permutation_p(ours, theirs.ravel()),
    }
    draws = np.random.default_rng(ruler.seed).multinomial(n, np.full(n, 1 / n), size=1000)
    p = float(_permutation_p(ours.mean(), theirs.mean(axis=1)))
    overall = {"change": change.mean(), **ends("", draws @ change / n)}
    overall |= {"random": null.mean(), **ends("random_", null.mean(axis=1)), "p_overall": p}
    moved = []
    for bound in ruler.bounds[name] * np.array([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0]):
        within = (np.abs(null) <= bound).mean(axis=1)
        share = (np.abs(change) <= bound).mean()
        random = {"random": within.mean(), **ends("random_", within)}
        moved.append({"statistic": name, "bound": bound, "share": share, **random})
    return (
        pd.DataFrame({"statistic": name, "pathway": list(ruler.sets.names), **rows}),
        pd.DataFrame([{"statistic": name, **overall}]),
        pd.DataFrame(moved),
    )


def ends(prefix: str, draws: Float) -> dict[str, float]:
    """The 95% interval of draws as two columns."""
    return dict(zip((f"{prefix}low", f"{prefix}high"), interval(draws), strict=True))


def _standardised(change: Float, null: Float) -> tuple[Float, Float]:
    """Sizes |z| of our changes (P,), and of every random one against all others (n, P).

    Deviations below a tenth of the median one count as that: a pathway that random edits hardly
    ever touch shall not become striking by its rarity.
    """
    n = len(null)
    gap = null - null.mean(axis=0)
    squares = (gap**2).sum(axis=0)
    deviation = np.sqrt(squares / (n - 1))
    others = np.sqrt(np.maximum(squares - gap**2 * n / (n - 1), 0) / (n - 2))
    least = 0.1 * float(np.median(deviation))
    ours = _ratio(np.abs(change - null.mean(axis=0)), np.maximum(deviation, least))
    return ours, _ratio(np.abs(gap) * n / (n - 1), np.maximum(others, least))


def _ratio(part: Float, whole: Float) -> Float:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _permutation_p(ours: npt.ArrayLike, pool: Float) -> Float:
    """Share of the random sizes that are at least as large as each of ours, ours counted."""
    beyond = len(pool) - np.searchsorted(np.sort(pool), np.asarray(ours) - 1e-12)
    return np.asarray((1 + beyond) / (1 + len(pool)))
