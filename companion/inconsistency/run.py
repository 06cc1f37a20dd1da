"""The inconsistency analysis (Fig. 1, claim C1): where do measured changes and networks disagree?

Every measured change is *consistent* with what a network deduces, *conflicting*, or *absent*: not
reached, or ambiguous. A deduced change of a gene that stays unchanged is *unsupported*. Everything
is counted per condition, so that shares get intervals by drawing perturbations again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from aligned.data import Bundle, Rows
from aligned.knowledge import RULES, Deduction, KnowledgeBase, Rule, agreement_counts
from aligned.scores import bootstrap_weights
from companion.engine import Settings
from companion.inconsistency.nulls import null_tables, said_of
from companion.inconsistency.tables import (
    annotation_table,
    edge_table,
    regulator_table,
    retrieval_table,
    share_of,
    sides_table,
)
from companion.loop.run import card_table

__all__ = [
    "PATHS",
    "QUANTITIES",
    "SCOPES",
    "InconsistencySettings",
    "InconsistencyTables",
    "run_inconsistency",
]

Bool = npt.NDArray[np.bool_]

#: The two readings of "relationships in the data".
SCOPES = ("all conditions", "perturbed regulators only")

#: A closure as the published experiments used one: counts of paths of length up to 5.
PATHS = (5, "majority")

_CHANGES = ("consistent", "conflicting", "not_reached", "ambiguous")
_SPOKEN = ("consistent", "conflicting")
_DEDUCED = ("consistent", "conflicting", "unsupported")

#: Shares: what is counted, among what, and the name of that.
QUANTITIES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "consistent": (("consistent",), _CHANGES, "measured changes"),
    "conflicting": (("conflicting",), _CHANGES, "measured changes"),
    "ambiguous": (("ambiguous",), _CHANGES, "measured changes"),
    "not reached": (("not_reached",), _CHANGES, "measured changes"),
    "absent": (("not_reached", "ambiguous"), _CHANGES, "measured changes"),
    "conflicting where it speaks": (
        ("conflicting",), _SPOKEN, "measured changes of which the network speaks",
    ),
    "unsupported": (("unsupported",), _DEDUCED, "deduced changes"),
    "unsupported among reached": (
        ("unsupported",), ("unsupported", "quiet"), "unchanged genes that are reached",
    ),
    "unchanged": (("unchanged",), ("cells",), "measured cells"),
}  # fmt: skip


@dataclass(frozen=True)
class InconsistencySettings(Settings):
    """What to count.

    Parameters
    ----------
    ks : tuple of int
        Longest paths.
    rules : tuple of str
        Closure rules.
    alpha, margin : float
        Of the rule ``majority``.
    n_null : int
        Draws per null distribution, at the edition's yardstick; 0: none.
    n_boot : int
        Bootstrap samples of perturbations.
    network, other_network : str
        What readers call the two networks.
    seed : int
    """

    ks: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    rules: tuple[str, ...] = ("boolean", "majority")
    alpha: float = 0.5
    margin: float = 0.0
    n_null: int = 99
    n_boot: int = 1000
    network: str = "the network"
    other_network: str = "the other network"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.ks or min(self.ks) < 1:
            raise ValueError(f"ks are {self.ks}; give path lengths of at least 1, such as (1, 2).")
        unknown = sorted(set(self.rules) - set(RULES))
        if unknown or not self.rules:
            raise ValueError(f"rules are {self.rules}; choose from {', '.join(RULES)}.")
        if self.n_null < 0 or self.n_boot < 20:
            raise ValueError(
                f"n_null is {self.n_null} and n_boot {self.n_boot}; give n_null of at least 0 and "
                "n_boot of at least 20."
            )
        if self.network == self.other_network:
            raise ValueError(f"both networks are called {self.network!r}; give two names.")


@dataclass(frozen=True)
class InconsistencyTables:
    """Tidy tables of the analysis; `save_tables` and `load_tables` move them as CSV files.

    Attributes
    ----------
    card : DataFrame
        ``item, value``.
    shares : DataFrame
        network × scope × k × rule × quantity: ``count, total, of, share, low, high``;
        ``yardstick`` marks the edition's closure.
    nulls : DataFrame
        network × closure × null × statistic: ours, mean and 95% range of the null, ``p``
        (one-sided: agreement as high, absent as low) and ``draws``.
    draws : DataFrame
        The agreement of every draw: ``network, k, rule, null, agreement``.
    retrieval : DataFrame
        network × unit × outcome of direct edges of perturbed regulators: share with interval, the
        share expected from genes that are no targets, and the difference with interval.
    regulators : DataFrame
        network × perturbation, most disagreeing first.
    annotation : DataFrame
        network × annotation × group of genes × quantity.
    sides : DataFrame
        What the other network says of edges that conflict, agree, or show nothing.
    edges : DataFrame
        Direct edges that conflict in more conditions than they agree.
    """

    card: pd.DataFrame
    shares: pd.DataFrame
    nulls: pd.DataFrame
    draws: pd.DataFrame
    retrieval: pd.DataFrame
    regulators: pd.DataFrame
    annotation: pd.DataFrame
    sides: pd.DataFrame
    edges: pd.DataFrame


def run_inconsistency(
    bundle: Bundle, settings: InconsistencySettings, progress: bool = True
) -> InconsistencyTables:
    """Count agreement and disagreement of the data with each network of a data set.

    Parameters
    ----------
    bundle : Bundle
        Data, network, second network (may be missing), GO counts and yardstick.
    settings : InconsistencySettings
    progress : bool
        Show a bar on stderr.

    Examples
    --------
    >>> import aligned as al
    >>> few = InconsistencySettings(ks=(1,), rules=("boolean",), n_null=3, n_boot=20)
    >>> tables = run_inconsistency(al.load("demo"), few, progress=False)
    >>> list(tables.nulls["null"].unique())
    ['signs', 'signs by regulator', 'labels']
    """
    networks = {settings.network: bundle.kb}
    if bundle.other_kb is not None:
        networks[settings.other_network] = bundle.other_kb
    rows, seed = Rows.of(bundle.data, bundle.kb), settings.seed
    measured = bundle.kb.columns(list(map(str, bundle.data.var_names)))
    weights = bootstrap_weights(list(rows.groups), settings.n_boot, seed)
    first = Rule(**bundle.yardstick, alpha=settings.alpha, margin=settings.margin)
    wanted = [(int(k), rule) for rule in settings.rules for k in settings.ks]
    paths, *asked = (dataclasses.replace(first, k=k, rule=rule) for k, rule in [PATHS, *wanted])
    counted, nulled = (list(dict.fromkeys(r)) for r in ([*asked, first], [first, paths]))
    found: dict[str, list[pd.DataFrame]] = {}
    edges = {}
    bar = tqdm(networks.items(), desc="networks", disable=None if progress else True)
    for name, kb in bar:
        delta = said_of(kb, rows, measured, first).delta
        edges[name] = edge_table(kb, rows, measured)
        nulls, draws = null_tables(kb, rows, measured, nulled, settings.n_null, seed)
        parts = {
            "shares": _share_table(kb, rows, measured, weights, counted, first),
            "nulls": nulls,
            "draws": draws,
            "retrieval": retrieval_table(kb, rows, measured, weights, edges[name], seed),
            "regulators": regulator_table(kb, rows, delta),
            "annotation": annotation_table(kb, bundle.go_counts, measured, rows, delta, weights),
        }
        for table, frame in parts.items():
            frame.insert(0, "network", name)
            found.setdefault(table, []).append(frame)
    joined = {table: pd.concat(frames, ignore_index=True) for table, frames in found.items()}
    sides, worst = sides_table(edges, networks, settings.n_boot, seed)
    return InconsistencyTables(
        card=_card(bundle, rows, networks), sides=sides, edges=worst, **joined
    )


# ------------------------------------------------------------------------------------- counting


def counts_per_condition(said: Deduction, rows: Rows) -> pd.DataFrame:
    """`agreement_counts`, and ``quiet`` (reached, deduced 0, unchanged), ``unchanged, cells``."""
    counts = agreement_counts(said.delta, said.reached, rows.y, rows.counted)
    still = rows.counted & (rows.y == 0)
    counts["quiet"] = (still & said.ambiguous).sum(axis=1)
    counts["unchanged"] = still.sum(axis=1)
    counts["cells"] = rows.counted.sum(axis=1)
    return counts


def with_regulator(kb: KnowledgeBase, rows: Rows) -> Bool:
    """Conditions in which a gene with a target in the network is perturbed."""
    speaks = np.asarray((kb.r_pos + kb.r_neg).sum(axis=1)).ravel() > 0
    touched = abs(rows.x)[:, kb.regulator_index[speaks]]
    return np.asarray(touched.sum(axis=1)).ravel() > 0


def _share_table(
    kb: KnowledgeBase,
    rows: Rows,
    measured: npt.NDArray[np.intp],
    weights: npt.NDArray[np.int64],
    closings: Sequence[Rule],
    yardstick: Rule,
) -> pd.DataFrame:
    """Every quantity in both scopes, per closure."""
    scopes = dict(zip(SCOPES, (np.ones(len(rows), bool), with_regulator(kb, rows)), strict=True))
    table = []
    for closing in closings:
        counts = counts_per_condition(said_of(kb, rows, measured, closing), rows)
        for (scope, chosen), (quantity, asked) in product(scopes.items(), QUANTITIES.items()):
            part, whole = (counts[list(names)].sum(axis=1)[chosen] for names in asked[:2])
            about = {"scope": scope, "conditions": int(chosen.sum()), "k": closing.k,
                     "rule": closing.rule, "yardstick": closing == yardstick}  # fmt: skip
            share = share_of(part, whole, weights[:, chosen])
            table.append({**about, "quantity": quantity, **share})
    frame = pd.DataFrame(table)
    frame.insert(
        8, "of", frame["quantity"].map({name: of for name, (*_, of) in QUANTITIES.items()})
    )
    return frame


# ----------------------------------------------------------------------------------------- card


def _card(bundle: Bundle, rows: Rows, networks: Mapping[str, KnowledgeBase]) -> pd.DataFrame:
    changes = int((rows.counted & (rows.y != 0)).sum())
    more = {"measured changes (own genes left out)": f"{changes:,}"}
    for name, kb in networks.items():
        known = with_regulator(kb, rows)
        more[name] = (
            f"{kb.n_edges:,} signed edges of {len(kb.regulators)} regulators; speaks in "
            f"{known.sum()} of {len(rows)} conditions"
        )
    items = pd.DataFrame({"item": list(more), "value": list(more.values())})
    return pd.concat([card_table(bundle), items], ignore_index=True)
