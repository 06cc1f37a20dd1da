"""The non-circular test: can edges that were hidden from the method be found again?

A share of the edges is hidden in whole runs of neighbouring targets (and, to show why, at random).
Every pair of a regulator that was perturbed alone and a measured gene that is no visible edge is
ranked; the hidden edges should come first. Beside the learned log-odds
(`companion.hidden.ranking`) stand simple lines, ablations, nulls, and the relaxed weights and
edits of A-R-A-R as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import hypergeom

from aligned.config import Config
from aligned.data import Bundle, Rows
from aligned.knowledge import Rule
from companion.engine import Settings
from companion.hidden.ranking import (
    METHODS,
    POSTERIOR,
    Candidates,
    Ranking,
    Seen,
    after_loop,
    learned_rankings,
    line_rankings,
    questions,
    relaxed_ranking,
)
from companion.parallel import one_thread_each, side_by_side
from companion.recovery import share
from companion.statistics import interval

__all__ = [
    "ABOVE",
    "SAME",
    "TOP",
    "Draws",
    "HiddenSettings",
    "HiddenTables",
    "Ranked",
    "run_hidden",
]

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]
Questions = dict[str, tuple[Bool, Bool]]

#: Paired differences that are reported beside those to the best line.
ATTRIBUTION = (
    "network",
    "responses",
    "network + response",
    "network + co-response",
    "perturbations dealt",
    "genes dealt",
)
#: Methods whose average precision is also given within each regulator.
WITHIN = ("adjusted", "network", POSTERIOR)
#: Pairs that the learned log-odds hold to be edges.
ABOVE = f"{POSTERIOR} above ½"
#: As many pairs from their top as the loop added.
SAME = f"{POSTERIOR}, as many"
#: Share of the pairs that counts as the top.
TOP = 0.01


@dataclass(frozen=True)
class HiddenSettings(Settings):
    """What to hide, how often, and for how many hidings to run A-R-A-R itself.

    Parameters
    ----------
    config : Config
        Of the A-R-A-R fits.
    seeds : tuple of int
        One hiding each; the first ``fit_seeds`` of them also with an A-R-A-R fit.
    kinds : tuple of {"runs", "random"}
        How to hide; the first is the headline, the others get the first ``other_seeds`` only.
    share : float
        Share of the pairs that is hidden, outside and again inside the visible network.
    n_inner : int
        Inner hidings that the log-odds are learned on.
    """

    config: Config = field(default_factory=Config)
    seeds: tuple[int, ...] = tuple(range(10))
    kinds: tuple[str, ...] = ("runs", "random")
    share: float = 0.2
    n_inner: int = 3
    fit_seeds: int = 3
    other_seeds: int = 5
    schedule: str = "A-R-A-R"
    n_boot: int = 1000
    n_jobs: int = 2

    def __post_init__(self) -> None:
        if not self.seeds or self.n_inner < 1:
            raise ValueError("give at least one seed and one inner hiding.")
        if not self.kinds or set(self.kinds) - {"runs", "random"}:
            raise ValueError(f"kinds is {self.kinds}; choose among 'runs' and 'random'.")


@dataclass(frozen=True)
class HiddenTables:
    """Tidy tables of the test; AP is average precision.

    Attributes
    ----------
    scores : DataFrame
        hiding × seed × method: ``ap``; ``prevalence`` and number of ``hidden`` edges among the
        ranked pairs; ``precision`` among as many pairs from the top as edges are hidden (there it
        equals recall); ``recall_top``, recall among the top 1%; ``sign_accuracy`` over the hidden
        edges of one sign that the method speaks of.
    summary : DataFrame
        hiding × method: mean AP with a 95% interval over hidings and regulators.
    differences : DataFrame
        Paired differences of AP with intervals: every method to the best line, and the full
        log-odds to its parts and nulls.
    weights : DataFrame
        Learned weight of each term, mean over seeds.
    regulators : DataFrame
        AP within each regulator, mean over the hidings in which it lost an edge.
    edits : DataFrame
        Per seed, pairs added by the loop, as many from the top of the log-odds, and all pairs with
        log-odds above 0, against hidden edges.
    support : DataFrame
        Pairs the network lacks and the other network has, nothing hidden: AP, and how many of them
        are among the top 1% (or, for the loop, among the pairs it adds), against chance
        (hypergeometric). Empty without another network.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame
    weights: pd.DataFrame
    regulators: pd.DataFrame
    edits: pd.DataFrame
    support: pd.DataFrame


def run_hidden(bundle: Bundle, settings: HiddenSettings, progress: bool = True) -> HiddenTables:
    """Run the test on a data set; see `HiddenTables` for what comes back.

    Parameters
    ----------
    bundle : Bundle
        Data, network, second network; ``data.var["start"]`` gives the order on the genome.
    settings : HiddenSettings
    progress : bool
        Show a bar on stderr.

    Raises
    ------
    ValueError
        Fewer than two regulators were perturbed alone, or genes have no place on the genome.
    """
    candidates = Candidates.of(bundle)
    jobs = list(_jobs(settings))
    calls = [(bundle, candidates, settings, job) for job in jobs]
    found = side_by_side(_hide_and_rank, calls, settings.n_jobs, "hidings", progress)
    ranked: dict[tuple[str, str], dict[int, Ranked]] = {}
    parts: dict[str, list[dict[str, object]]] = {}
    for job, (by_method, rows) in zip(jobs, found, strict=True):
        for method, ranking in by_method.items():
            ranked.setdefault((job["hiding"], method), {})[job["seed"]] = ranking
        for name, mine in rows.items():
            label = {"hiding": job["hiding"], "seed": job["seed"]}
            parts.setdefault(name, []).extend({**label, **row} for row in mine)
    tables = {name: pd.DataFrame(rows) for name, rows in parts.items()}
    draws = Draws(len(candidates.rows), settings.seeds, settings.n_boot)
    summary = _summary(ranked, tables["scores"], draws)
    with one_thread_each(settings.n_jobs):
        support = _support(bundle, candidates, settings)
    return HiddenTables(
        scores=tables["scores"],
        summary=summary,
        differences=_differences(ranked, summary, draws),
        weights=_mean_over_seeds(tables["weights"], ["term"]),
        regulators=_mean_over_seeds(tables["regulators"], ["regulator", "name"]),
        edits=tables["edits"],
        support=support,
    )


# ------------------------------------------------------------------------------------------ jobs


def _jobs(settings: HiddenSettings) -> Iterator[dict[str, Any]]:
    """Every hiding; those with a fit, which take longest, first."""
    for hiding in settings.kinds:
        headline = hiding == settings.kinds[0]
        for i, seed in enumerate(settings.seeds[: None if headline else settings.other_seeds]):
            yield {"hiding": hiding, "seed": seed, "fit": headline and i < settings.fit_seeds}


def _hide_and_rank(
    bundle: Bundle, c: Candidates, settings: HiddenSettings, job: dict[str, Any]
) -> tuple[dict[str, Ranked], dict[str, list[dict[str, object]]]]:
    """Hide, rank all pairs by every method: the rankings in brief, and rows of the tables."""
    order, seed = c.order if job["hiding"] == "runs" else None, job["seed"]
    visible_kb, _ = bundle.kb.hold_out(settings.share, seed, order)
    visible = Seen.of(visible_kb, c)
    asked = questions(c, Seen.of(bundle.kb, c), visible)
    learned, models = learned_rankings(visible_kb, c, settings.share, settings.n_inner, seed, order)
    rankings = {**line_rankings(c, visible), **learned}
    rows = Rows.of(bundle.data, bundle.kb)
    rankings["relaxed, measured calls"] = relaxed_ranking(
        visible_kb, c, rows, rows.y, Rule(**bundle.yardstick)
    )
    log_odds, sign = learned[POSTERIOR]
    edits: dict[str, tuple[Bool, Float]] = {}
    if job["hiding"] == settings.kinds[0]:
        edits[ABOVE] = log_odds > 0, sign
    if job["fit"]:
        config = settings.config.replace(seed=seed)
        rankings["relaxed, A-R-A-R"], (made, its_sign) = after_loop(
            bundle, visible_kb, c, config, settings.schedule
        )
        edits[settings.schedule] = made > 0, its_sign
        _, counted = asked["edge"]
        edits[SAME] = _top(log_odds, counted, int(((made > 0) & counted).sum())), sign
    ranked = {name: Ranked.of(score, *asked["edge"]) for name, (score, _) in rankings.items()}
    return ranked, {
        "scores": [_score(name, ranked[name], rankings[name], asked) for name in rankings],
        "weights": [
            {"method": name, "term": term, "weight": weight}
            for name, model in models.items()
            for term, weight in zip(model.terms, model.weights, strict=True)
        ],
        "regulators": [row for name in WITHIN for row in _within(name, ranked[name], bundle, c)],
        "edits": [{"edits": name, **_edits(*made, asked)} for name, made in edits.items()],
    }


def _score(method: str, ranked: Ranked, ranking: Ranking, asked: Questions) -> dict[str, object]:
    score, sign = ranking
    hidden, counted = asked["edge"]
    n, most = int((hidden & counted).sum()), round(TOP * counted.sum())
    found = [(hidden & _top(score, counted, count)).sum() for count in (n, most)]
    return {
        "method": method,
        "ap": float(ranked.ap()),
        "prevalence": float(hidden[counted].mean()),
        "hidden": n,
        "precision": share(found[0], n),
        "recall_top": share(found[1], n),
        "sign_accuracy": _sign_accuracy(sign, asked, counted),
    }


def _top(score: Float, counted: Bool, count: int) -> Bool:
    """The ``count`` counted cells with the highest scores."""
    order = np.argsort(-np.where(counted, score, -np.inf), axis=None, kind="stable")
    chosen = np.zeros(score.size, dtype=bool)
    chosen[order[:count]] = True
    return chosen.reshape(score.shape)


def _sign_accuracy(sign: Float, asked: Questions, among: Bool) -> float:
    activates, counted = asked["sign"]
    spoken = counted & among & (sign != 0)
    return share((spoken & (activates == (sign > 0))).sum(), spoken.sum())


def _within(
    method: str, ranked: Ranked, bundle: Bundle, c: Candidates
) -> Iterator[dict[str, object]]:
    alone = ranked.ap(np.eye(len(c.rows)))
    hidden = np.bincount(ranked.group, minlength=len(c.rows))
    for i in np.flatnonzero(hidden):
        regulator = bundle.kb.regulators[c.rows[i]]
        about = {"regulator": regulator, "name": bundle.kb.names.get(regulator, regulator)}
        yield {"method": method, **about, "hidden": hidden[i], "ap": alone[i]}


def _edits(added: Bool, sign: Float, asked: Questions) -> dict[str, object]:
    hidden, counted = asked["edge"]
    made = added & counted
    hits = int((made & hidden).sum())
    return {
        "added": int(made.sum()),
        "hits": hits,
        "expected": float(made.sum() * hidden[counted].mean()),
        "precision": share(hits, made.sum()),
        "recall": share(hits, hidden.sum()),
        "sign_accuracy": _sign_accuracy(sign, asked, made),
    }


# ---------------------------------------------------------------------------------------- tables


def _summary(
    ranked: dict[tuple[str, str], dict[int, Ranked]], scores: pd.DataFrame, draws: Draws
) -> pd.DataFrame:
    shown = ["prevalence", "precision", "recall_top", "sign_accuracy"]
    means = scores.groupby(["hiding", "method"])[shown].mean()
    rows: list[dict[str, object]] = []
    for (hiding, method), by_seed in ranked.items():
        ap, low, high = draws.interval(by_seed)
        about = {"hiding": hiding, "method": method, "kind": METHODS[method].kind}
        found = {"what": METHODS[method].what, "ap": ap, "low": low, "high": high}
        beside = means.loc[(hiding, method)].to_dict()
        rows.append({**about, **found, **beside, "seeds": len(by_seed)})
    return pd.DataFrame(rows)


def _differences(
    ranked: dict[tuple[str, str], dict[int, Ranked]], summary: pd.DataFrame, draws: Draws
) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for hiding, table in summary.groupby("hiding", sort=False):
        lines = table[table["kind"] == "line"]
        best = str(lines["method"].iloc[int(lines["ap"].to_numpy().argmax())])
        pairs = [(best, m) for m in table["method"] if METHODS[m].kind not in ("line", "null")]
        pairs += [(m, POSTERIOR) for m in (*lines["method"], *ATTRIBUTION) if m != best]
        for start, to in pairs:
            mean, low, high = draws.interval(ranked[str(hiding), to], ranked[str(hiding), start])
            about = {"hiding": hiding, "from": start, "to": to, "best_line": start == best}
            rows.append({**about, "difference": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def _mean_over_seeds(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    grouped = table.drop(columns="seed").groupby(["hiding", "method", *keys], sort=False)
    return grouped.mean().reset_index()


def _support(bundle: Bundle, c: Candidates, settings: HiddenSettings) -> pd.DataFrame:
    """Nothing hidden: are pairs that only the other network has ranked high?"""
    columns = ["method", "pairs", "in_other", "prevalence", "ap", "top", "hits", "expected"]
    columns += ["p_value", "same_sign"]
    if bundle.other_kb is None:
        return pd.DataFrame(columns=columns)
    visible = Seen.of(bundle.kb, c)
    there = Seen.of(bundle.other_kb, c, bundle.kb.regulators)
    union = Seen(visible.positive | there.positive, visible.negative | there.negative)
    asked = questions(c, union, visible)
    order, seed = c.order if settings.kinds[0] == "runs" else None, settings.seeds[0]
    learned, _ = learned_rankings(bundle.kb, c, settings.share, settings.n_inner, seed, order)
    edge, counted = asked["edge"]
    rankings = {**line_rankings(c, visible), **learned}
    n, known = int(counted.sum()), int(edge.sum())
    chosen = {name: _top(score, counted, round(TOP * n)) for name, (score, _) in rankings.items()}
    if settings.fit_seeds:
        config = settings.config.replace(seed=seed)
        _, edits = after_loop(bundle, bundle.kb, c, config, settings.schedule)
        rankings[settings.schedule] = edits
        chosen[settings.schedule] = (edits[0] > 0) & counted
    rows = []
    for name, (score, sign) in rankings.items():
        top, hits = int(chosen[name].sum()), int((chosen[name] & edge).sum())
        ap = float(Ranked.of(score, edge, counted).ap())
        chance = float(hypergeom.sf(hits - 1, n, known, top))
        same_sign = _sign_accuracy(sign, asked, chosen[name])
        about = (name, n, known, known / n, ap, top, hits, top * known / n, chance, same_sign)
        rows.append(dict(zip(columns, about, strict=True)))
    return pd.DataFrame(rows, columns=columns)


# ---------------------------------------------------------------------- average precision


@dataclass(frozen=True)
class Ranked:
    """One ranking of pairs, reduced to what its average precision needs under any weighting.

    Attributes
    ----------
    group : ndarray of int, shape (p,)
        Group (regulator) of each of the p positives.
    above, hits : ndarray of int, shape (p, q)
        How many pairs, and how many positives, of each group score at least as high as it.
    """

    group: Int
    above: Int
    hits: Int

    @classmethod
    def of(cls, scores: Float, answer: Bool, counted: Bool) -> Ranked:
        """Reduce scores (q, m), of which the ``counted`` are ranked.

        Examples
        --------
        >>> import numpy as np
        >>> scores, answer = np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]])
        >>> float(Ranked.of(scores, answer, answer | True).ap())  # (1/1 + 2/3) / 2
        0.8333333333333333
        """
        group, column = np.nonzero(answer & counted)
        cut = scores[group, column]
        return cls(
            group.astype(np.int64),
            _at_least(scores, counted, cut),
            _at_least(scores, counted & answer, cut),
        )

    def ap(self, weights: npt.ArrayLike | None = None) -> Float:
        """Average precision; with weights (s, q) of the groups, one for each of the s drawings.

        Pairs of a group of weight 2 count twice; ties share a place, as in scikit-learn. nan
        where no positive has a weight.
        """
        q = self.above.shape[1]
        w = np.ones((1, q)) if weights is None else np.asarray(weights, dtype=np.float64)
        mine = w[:, self.group]
        precision = (w @ self.hits.T) / np.maximum(w @ self.above.T, 1e-12)
        total = mine.sum(axis=1)
        found = np.divide(
            (mine * precision).sum(axis=1), total, out=np.full(len(w), np.nan), where=total > 0
        )
        return np.asarray(found[0] if weights is None else found)


class Draws:
    """Resampled regulators and hidings, the same for every method, so that differences pair.

    Parameters
    ----------
    n_groups : int
        Regulators.
    seeds : sequence of int
        Hidings.
    n : int
        Number of drawings.
    """

    def __init__(self, n_groups: int, seeds: tuple[int, ...], n: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.seeds = seeds
        self.groups = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n)
        self.hidings = rng.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=n)

    def interval(
        self, to: Mapping[int, Ranked], start: Mapping[int, Ranked] | None = None
    ) -> tuple[float, float, float]:
        """Mean and 95% interval of the AP, or of its difference from ``start`` on common seeds."""
        common = [s for s in self.seeds if s in to and (start is None or s in start)]
        if not common:
            return (float("nan"),) * 3
        weights = np.vstack([np.ones_like(self.groups[0]), self.groups])  # the first: as it is
        aps = np.stack([to[s].ap(weights) for s in common])
        if start is not None:
            aps -= np.stack([start[s].ap(weights) for s in common])
        mean, drawn = float(aps[:, 0].mean()), aps[:, 1:]
        times = self.hidings[:, [self.seeds.index(s) for s in common]].T * ~np.isnan(drawn)
        total = times.sum(axis=0)
        values = (times * np.nan_to_num(drawn)).sum(axis=0)[total > 0] / total[total > 0]
        return mean, *interval(values)


def _at_least(scores: Float, counted: Bool, cut: Float) -> Int:
    """How many counted scores of each row reach each cut, shape (p, q)."""
    counts = np.empty((len(cut), len(scores)), dtype=np.int64)
    for row, (values, here) in enumerate(zip(scores, counted, strict=True)):
        ranked = np.sort(values[here])
        counts[:, row] = len(ranked) - np.searchsorted(ranked, cut, side="left")
    return counts
