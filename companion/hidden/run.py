"""The non-circular test: can edges that were hidden from the method be found again?

A share of the edges is hidden in whole runs of neighbouring targets (and, to show why, at random).
Every pair of a regulator that was perturbed alone and a measured gene that is no visible edge is
ranked; the hidden edges should come first. Beside the learned log-odds
(`companion.hidden.ranking`) stand simple lines, ablations, nulls, and the relaxed weights and
edits of A-R-A-R as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import hypergeom

from aligned.config import Config
from aligned.data import Bundle, Rows
from aligned.knowledge import Rule
from companion.hidden.methods import (
    METHODS,
    POSTERIOR,
    Ranking,
    after_loop,
    learned_rankings,
    line_rankings,
    relaxed_ranking,
)
from companion.hidden.precision import Draws, Ranked
from companion.hidden.ranking import Candidates, Seen, questions
from companion.parallel import one_thread_each, side_by_side
from companion.statistics import with_columns

__all__ = ["ABOVE", "SAME", "TOP", "HiddenSettings", "HiddenTables", "run_hidden"]

Bool = npt.NDArray[np.bool_]
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
class HiddenSettings:
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

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, for a run record."""
        return dataclasses.asdict(self)


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


@dataclass
class _Result:
    """What one job leaves behind: rankings in brief, and rows of the tables."""

    job: dict[str, Any]
    ranked: dict[str, Ranked]
    scores: list[dict[str, object]]
    weights: list[dict[str, object]]
    regulators: list[dict[str, object]]
    edits: list[dict[str, object]]


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
    jobs = [(bundle, candidates, settings, job) for job in _jobs(settings)]
    results = list(side_by_side(_hide_and_rank, jobs, settings.n_jobs, "hidings", progress))
    draws = Draws(len(candidates.rows), settings.seeds, settings.n_boot)
    scores = pd.DataFrame([row for r in results for row in r.scores])
    by_method: dict[tuple[str, str], dict[int, Ranked]] = {}
    for r in results:
        for method, ranked in r.ranked.items():
            by_method.setdefault((r.job["hiding"], method), {})[r.job["seed"]] = ranked
    summary = _summary(by_method, scores, draws)
    with one_thread_each(settings.n_jobs):
        support = _support(bundle, candidates, settings)
    return HiddenTables(
        scores=scores,
        summary=summary,
        differences=_differences(by_method, summary, draws),
        weights=_mean_over_seeds([row for r in results for row in r.weights], "weight"),
        regulators=_mean_over_seeds([row for r in results for row in r.regulators], "ap"),
        edits=pd.DataFrame([row for r in results for row in r.edits]),
        support=support,
    )


# ------------------------------------------------------------------------------------------ jobs


def _jobs(settings: HiddenSettings) -> Iterator[dict[str, Any]]:
    """Every hiding; those with a fit, which take longest, first."""
    headline, *others = settings.kinds
    every = [(headline, i) for i in range(len(settings.seeds))]
    every += [(h, i) for h in others for i in range(min(settings.other_seeds, len(settings.seeds)))]
    fitted = every[: min(settings.fit_seeds, len(settings.seeds))]
    for hiding, i in every:
        yield {"hiding": hiding, "seed": settings.seeds[i], "fit": (hiding, i) in fitted}


def _hide_and_rank(
    bundle: Bundle, c: Candidates, settings: HiddenSettings, job: dict[str, Any]
) -> _Result:
    """Hide, rank all pairs by every method, score."""
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
    edits: dict[str, tuple[Bool, npt.NDArray[np.float64]]] = {}
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
    label = {"hiding": job["hiding"], "seed": seed}
    ranked = {name: Ranked.of(score, *asked["edge"]) for name, (score, _) in rankings.items()}
    return _Result(
        job,
        ranked,
        [{**label, **_score(name, ranked[name], rankings[name], asked)} for name in rankings],
        [
            {**label, "method": name, "term": term, "weight": weight}
            for name, model in models.items()
            for term, weight in zip(model.terms, model.weights, strict=True)
        ],
        [{**label, **row} for name in WITHIN for row in _within(name, ranked[name], bundle, c)],
        [{**label, "edits": name, **_edits(*made, asked)} for name, made in edits.items()],
    )


def _score(method: str, ranked: Ranked, ranking: Ranking, asked: Questions) -> dict[str, object]:
    score, sign = ranking
    hidden, counted = asked["edge"]
    values, answer = score[counted], hidden[counted]
    order = np.argsort(-values, kind="stable")
    top, n = round(TOP * len(values)), int(answer.sum())
    return {
        "method": method,
        "ap": float(ranked.ap()),
        "prevalence": float(answer.mean()),
        "hidden": n,
        "precision": float(answer[order[:n]].mean()) if n else float("nan"),
        "recall_top": float(answer[order[:top]].sum() / n) if n else float("nan"),
        "sign_accuracy": _sign_accuracy(sign, asked, np.ones_like(hidden)),
    }


def _top(score: npt.NDArray[np.float64], counted: Bool, count: int) -> Bool:
    """The ``count`` counted cells with the highest scores."""
    order = np.argsort(-np.where(counted, score, -np.inf), axis=None, kind="stable")
    chosen = np.zeros(score.size, dtype=bool)
    chosen[order[:count]] = True
    return chosen.reshape(score.shape)


def _sign_accuracy(sign: npt.NDArray[np.float64], asked: Questions, among: Bool) -> float:
    activates, counted = asked["sign"]
    spoken = counted & among & (sign != 0)
    return float((activates == (sign > 0))[spoken].mean()) if spoken.any() else float("nan")


def _within(
    method: str, ranked: Ranked, bundle: Bundle, c: Candidates
) -> Iterator[dict[str, object]]:
    alone = ranked.ap(np.eye(len(c.rows)))
    for row, ap, lost in zip(
        c.rows, alone, np.bincount(ranked.group, minlength=len(c.rows)), strict=True
    ):
        if lost:
            regulator = bundle.kb.regulators[row]
            name = bundle.kb.names.get(regulator, regulator)
            yield {"method": method, "regulator": regulator, "name": name, "hidden": lost, "ap": ap}


def _edits(added: Bool, sign: npt.NDArray[np.float64], asked: Questions) -> dict[str, object]:
    hidden, counted = asked["edge"]
    made = added & counted
    hits = int((made & hidden).sum())
    return {
        "added": int(made.sum()),
        "hits": hits,
        "expected": float(made.sum() * hidden[counted].mean()),
        "precision": hits / made.sum() if made.any() else float("nan"),
        "recall": hits / hidden.sum() if hidden.any() else float("nan"),
        "sign_accuracy": _sign_accuracy(sign, asked, made),
    }


# ---------------------------------------------------------------------------------------- tables


def _summary(
    ranked: dict[tuple[str, str], dict[int, Ranked]], scores: pd.DataFrame, draws: Draws
) -> pd.DataFrame:
    means = scores.groupby(["hiding", "method"])[
        ["prevalence", "precision", "recall_top", "sign_accuracy"]
    ].mean()
    rows: list[dict[str, object]] = []
    for (hiding, method), by_seed in ranked.items():
        ap, low, high = draws.interval(by_seed)
        rows.append(
            {
                "hiding": hiding,
                "method": method,
                "kind": METHODS[method].kind,
                "what": METHODS[method].what,
                "ap": ap,
                "low": low,
                "high": high,
                **means.loc[(hiding, method)].to_dict(),
                "seeds": len(by_seed),
            }
        )
    table = with_columns(rows, ["hiding", "method"])
    place = {name: i for i, name in enumerate(METHODS)}
    order = table.assign(
        at=table["method"].map(place), kind_at=table["hiding"] != next(iter(ranked))[0]
    )
    return table.loc[order.sort_values(["kind_at", "at"]).index].reset_index(drop=True)


def _differences(
    ranked: dict[tuple[str, str], dict[int, Ranked]], summary: pd.DataFrame, draws: Draws
) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for hiding, table in summary.groupby("hiding", sort=False):
        lines = table[table["kind"] == "line"]
        best = str(lines["method"].iloc[int(lines["ap"].to_numpy().argmax())])
        pairs = [(best, m) for m in table["method"] if METHODS[m].kind not in ("line", "null")]
        pairs += [(m, POSTERIOR) for m in lines["method"] if m != best]
        pairs += [(m, POSTERIOR) for m in ATTRIBUTION]
        for start, to in pairs:
            mean, low, high = draws.interval(ranked[str(hiding), to], ranked[str(hiding), start])
            rows.append(
                {
                    "hiding": hiding,
                    "from": start,
                    "to": to,
                    "best_line": start == best,
                    "difference": mean,
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows)


def _mean_over_seeds(rows: list[dict[str, object]], value: str) -> pd.DataFrame:
    table = pd.DataFrame(rows).drop(columns="seed")
    keys = [c for c in table.columns if c not in (value, "hidden")]
    return table.groupby(keys, as_index=False, sort=False).mean()


def _support(bundle: Bundle, c: Candidates, settings: HiddenSettings) -> pd.DataFrame:
    """Nothing hidden: are pairs that only the other network has ranked high?"""
    columns = ["method", "pairs", "in_other", "prevalence", "ap", "top", "hits", "expected"]
    columns += ["p_value", "same_sign"]
    if bundle.other_kb is None:
        return pd.DataFrame(columns=columns)
    visible = Seen.of(bundle.kb, c)
    order = c.order if settings.kinds[0] == "runs" else None
    learned, _ = learned_rankings(
        bundle.kb, c, settings.share, settings.n_inner, settings.seeds[0], order
    )
    other = {g: i for i, g in enumerate(bundle.other_kb.regulators)}
    there = Seen.of(bundle.other_kb, c)
    theirs = [np.zeros((len(visible.edges), len(c.columns)), dtype=bool) for _ in range(2)]
    for i, regulator in enumerate(bundle.kb.regulators):
        if regulator in other:
            theirs[0][i] = there.positive[other[regulator]]
            theirs[1][i] = there.negative[other[regulator]]
    union = Seen(visible.positive | theirs[0], visible.negative | theirs[1])
    asked = questions(c, union, visible)
    edge, counted = asked["edge"]
    rankings = {**line_rankings(c, visible), **learned}
    n, known = int(counted.sum()), int(edge.sum())
    chosen = {name: _top(score, counted, round(TOP * n)) for name, (score, _) in rankings.items()}
    if settings.fit_seeds:
        config = settings.config.replace(seed=settings.seeds[0])
        _, edits = after_loop(bundle, bundle.kb, c, config, settings.schedule)
        rankings[settings.schedule] = edits
        chosen[settings.schedule] = (edits[0] > 0) & counted
    rows = []
    for name, (score, sign) in rankings.items():
        top, hits = int(chosen[name].sum()), int((chosen[name] & edge).sum())
        rows.append(
            {
                "method": name,
                "pairs": n,
                "in_other": known,
                "prevalence": known / n,
                "ap": float(Ranked.of(score, edge, counted).ap()),
                "top": top,
                "hits": hits,
                "expected": top * known / n,
                "p_value": float(hypergeom.sf(hits - 1, n, known, top)),
                "same_sign": _sign_accuracy(sign, asked, chosen[name]),
            }
        )
    return pd.DataFrame(rows, columns=columns)
