"""How a claim is judged: one figure with its 95% interval against the values that the claim allows.

A claim is data: which figures it looks at, what each of them is asked to be, what the paper
published, and where it cannot be tested. `judge` is the one evaluator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any, NamedTuple

import pandas as pd

from aligned._assets import asset
from aligned.scores import balanced_consistency
from companion.noise.run import NoiseTables
from companion.statistics import over_seeds

__all__ = [
    "BAND",
    "DEEPEST",
    "FIRST",
    "KINDS",
    "PAPER_K",
    "VERDICTS",
    "Claim",
    "Figure",
    "Part",
    "Pick",
    "Published",
    "judge",
    "look_up",
    "of_the_paper",
    "published_table",
    "verdict_of",
]

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
NOT_TESTABLE, NOT_RUN = "not testable", "not run"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTABLE, NOT_RUN)

#: A claim of several parts takes the first of these that one of its parts has.
WORST_FIRST = (CONTRADICTED, UNDECIDED, SUPPORTED)

KINDS = ("higher", "not lower", "equal", "threshold")

#: Scores closer than this count as equal, unless a claim states another band.
BAND = 0.02

#: Columns of the tables whose interval stands beside them as ``low`` and ``high``.
WITH_INTERVAL = ("difference", "share", "value")

#: In `Pick.where`: the column's first value (the headline split, the edition's own network), and
#: the paper's longest path where it was run, else the longest.
FIRST, DEEPEST = "<first>", "<deepest>"
PAPER_K = 5


class Figure(NamedTuple):
    """A figure with its 95% interval, and the table row that it comes from."""

    mean: float
    low: float
    high: float
    row: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Pick:
    """Which figure of which table: a row, a mean over seeds, or the difference of two of these.

    Attributes
    ----------
    table : str
        A table of the analysis.
    where : mapping
        Column -> value, or `pandas.Interval`, or `FIRST`, or `DEEPEST`.
    value : str
        Column of the figure; several joined by ``+`` are added.
    minus : mapping
        What differs from ``where`` in the row that is subtracted. The difference of two rows gets
        the widest interval that theirs allow; the difference over seeds is paired.
    maybe : mapping
        What differs in the row of undecided cases, which a share's upper end counts in.
    per_seed : bool
        Take the mean over seeds, with Student's t interval.
    distance : bool
        Take absolute values, seed by seed.
    flip : bool
        Change the sign: of a table's *variant minus reference* make *reference minus variant*.
    """

    table: str
    where: Mapping[str, object]
    value: str = "difference"
    minus: Mapping[str, object] = field(default_factory=dict)
    maybe: Mapping[str, object] = field(default_factory=dict)
    per_seed: bool = False
    distance: bool = False
    flip: bool = False


@dataclass(frozen=True)
class Published:
    """A figure of the paper: a value of a table under ``data/published``, or a difference of two.

    Examples
    --------
    >>> l1 = {"method": "l1", "noise": 0.4}
    >>> Published("refinement_noise", "network_f1", l1).value
    0.7461
    """

    table: str
    metric: str
    where: Mapping[str, object]
    minus: Mapping[str, object] = field(default_factory=dict)
    source: str = ""

    @property
    def value(self) -> float:
        """The figure."""
        table = published_table(self.table)
        found = float(_rows(table, self.where).iloc[0][self.metric])
        if self.minus:
            found -= float(_rows(table, {**self.where, **self.minus}).iloc[0][self.metric])
        return round(found, 6)


@dataclass(frozen=True)
class Part:
    """One figure that a claim looks at, and what it is asked to be.

    Attributes
    ----------
    label : str
        What the figure is; names in braces are columns of its row.
    pick : Pick
    kind : str
        One of `KINDS`; empty for a figure that stands beside and decides nothing.
    band : float
        Differences up to this count as none. A *threshold* has no band.
    within : (float, float)
        Where a *threshold* asks the figure to lie.
    published : tuple of Published
        The paper's figures, one a source.
    form : str
        How numbers are written.
    """

    label: str
    pick: Pick
    kind: str = ""
    band: float = BAND
    within: tuple[float, float] = (-inf, inf)
    published: tuple[Published, ...] = ()
    form: str = "+.3f"

    @property
    def allowed(self) -> tuple[float, float]:
        """The values between which the claim holds."""
        ranges = {
            "higher": (self.band, inf),
            "not lower": (-self.band, inf),
            "equal": (-self.band, self.band),
            "threshold": self.within,
        }
        if self.kind not in ranges:
            raise ValueError(f"there is no kind of claim {self.kind!r}; use {', '.join(KINDS)}.")
        return ranges[self.kind]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper as data; `judge` turns it and an analysis' tables into a verdict.

    Attributes
    ----------
    id, statement : str
    tables : type
        Kind of tables that can judge it.
    parts : tuple of Part
        The worst verdict of these is the claim's.
    beside : tuple of Part
        Figures that the reason quotes and no verdict looks at.
    published : str
        What the paper says, where it gives no figure of this kind.
    caveat : str
        What a reader must know to read the verdict.
    needs : tuple of Part
        Where one of these does not hold, nothing is decided, and its label says why.
    some : bool
        Parts that were not run are named and do not count, as long as one was.
    only : str
        The edition that the claim is about; empty: any.
    not_testable : mapping
        Edition -> why the claim cannot be tested there, whatever the tables say.
    """

    id: str
    statement: str
    tables: type
    parts: tuple[Part, ...]
    beside: tuple[Part, ...] = ()
    published: str = ""
    caveat: str = ""
    needs: tuple[Part, ...] = ()
    some: bool = False
    only: str = ""
    not_testable: Mapping[str, str] = field(default_factory=dict)


def verdict_of(part: Part, low: float, high: float) -> str:
    """The one rule: supported inside what is allowed, contradicted outside, else undecided.

    Examples
    --------
    >>> higher = Part("a rise", Pick("changes", {}), "higher")
    >>> [verdict_of(higher, *ends) for ends in [(0.03, 0.1), (0.0, 0.0), (0.01, 0.05)]]
    ['supported', 'contradicted', 'undecided']
    """
    least, most = part.allowed
    if least < low and high < most:
        return SUPPORTED
    below = high <= least if part.kind == "higher" else high < least
    return CONTRADICTED if below or low > most else UNDECIDED


def judge(claim: Claim, tables: Any, edition: str) -> dict[str, Any]:
    """One row of the scorecard: ``claim, statement, published, ours, low, high, …``.

    *Ours* is the figure that decides: of the parts with the claim's verdict the first.
    """
    found = [(part, look_up(tables, part.pick)) for part in claim.parts]
    run = [(part, figure) for part, figure in found if figure is not None]
    missing = [str(p.pick.where.get("rival", _label(p))) for p, figure in found if figure is None]
    judged = [(verdict_of(part, *figure[1:3]), part, figure) for part, figure in run]
    needs = [(need, look_up(tables, need.pick)) for need in claim.needs]
    unmet = [n.label for n, f in needs if f is None or verdict_of(n, *f[1:3]) != SUPPORTED]
    said = [_text(part, figure, verdict) for verdict, part, figure in judged]
    said += [f"not run: {', '.join(missing)}"] if missing else []
    beside = [(part, look_up(tables, part.pick)) for part in claim.beside]
    quoted = [f"{_label(part, f.row)} {_number(part, f)}" for part, f in beside if f is not None]
    said += [f"beside it {', '.join(quoted)}"] if quoted else []
    said += [claim.caveat] if claim.caveat else []
    if edition == "demo" and claim.tables is not NoiseTables:
        said.append("responses are simulated from a network, which favours knowledge")
    if edition in claim.not_testable:
        verdict, said = NOT_TESTABLE, [claim.not_testable[edition]]
    elif claim.only and edition != claim.only:
        verdict, said = NOT_TESTABLE, [f"the claim is about the edition {claim.only}"]
    elif not judged or (missing and not claim.some):
        verdict = NOT_RUN
    elif unmet:
        verdict, said = UNDECIDED, [*dict.fromkeys(unmet), *said]
    else:
        verdict = _worst(verdict for verdict, *_ in judged)
    first = next((f for v, _, f in judged if v == verdict), judged[0][2] if judged else None)
    ours, low, high = first[:3] if first else (nan, nan, nan)
    return {
        "claim": claim.id,
        "statement": claim.statement,
        "published": _published_text(claim),
        "ours": ours,
        "low": low,
        "high": high,
        "edition": edition,
        "verdict": verdict,
        "reason": "; ".join(said),
    }


def of_the_paper(claims: Iterable[Claim]) -> pd.DataFrame:
    """The paper's own figures under the same rules: ``claim, source, figures, verdict``.

    They are judged as points, because no interval of these differences was published.
    """
    rows = []
    for claim in claims:
        by_source: dict[str, list[tuple[str, str]]] = {}
        for part in claim.parts:
            for figure in part.published:
                value = figure.value
                text = f"{part.label} {_plain(value, part.form)}"
                by_source.setdefault(figure.source, []).append(
                    (text, verdict_of(part, value, value))
                )
        for source, found in by_source.items():
            verdict = _worst(verdict for _, verdict in found)
            rows.append((claim.id, source, ", ".join(text for text, _ in found), verdict))
    return pd.DataFrame(rows, columns=["claim", "source", "figures", "verdict"])


def published_table(name: str) -> pd.DataFrame:
    """A table of the paper's figures from ``data/published``, with balanced consistency."""
    table = pd.read_csv(asset(f"data/published/{name}.csv"))
    if "balanced" not in table and {"data_f1", "knowledge_f1"} <= set(table):
        table["balanced"] = balanced_consistency(table["data_f1"], table["knowledge_f1"])
    return table


# ------------------------------------------------------------------------------------ looking up


def look_up(tables: Any, pick: Pick) -> Figure | None:
    """The figure of a `Pick`, or None where the tables do not hold it or it is undefined."""
    table = getattr(tables, pick.table)
    rows = _rows(table, pick.where)
    others = _rows(table, {**pick.where, **pick.minus}) if pick.minus else None
    if rows.empty or (others is not None and others.empty):
        return None
    if pick.per_seed:
        values = _seeds(rows, pick)
        mean, low, high = over_seeds(values if others is None else values - _seeds(others, pick))
    else:
        mean, low, high = _of_row(rows, pick.value)
        if others is not None:
            less, least, most = _of_row(others, pick.value)
            mean, low, high = mean - less, low - most, high - least
    if pick.maybe:
        more = _rows(table, {**pick.where, **pick.maybe})[pick.value].sum()
        high = min(1.0, high + float(more))
    if pd.isna(mean):
        return None
    row = {str(name): value for name, value in rows.iloc[0].items()}
    if pick.flip:
        return Figure(-mean, -high, -low, row)
    return Figure(mean, low, high, row)


def _rows(table: pd.DataFrame, where: Mapping[str, object]) -> pd.DataFrame:
    for column, wanted in where.items():
        if table.empty:
            break
        values = table[column]
        if isinstance(wanted, pd.Interval):
            table = table[[value in wanted for value in values]]
            continue
        if wanted == FIRST:
            wanted = values.iloc[0]
        elif wanted == DEEPEST:
            wanted = PAPER_K if (values == PAPER_K).any() else values.max()
        table = table[values == wanted]
    return table


def _seeds(rows: pd.DataFrame, pick: Pick) -> pd.Series:
    values = rows[pick.value].abs() if pick.distance else rows[pick.value]
    return values.groupby(rows["seed"]).mean()


def _of_row(rows: pd.DataFrame, value: str) -> tuple[float, float, float]:
    """A row's figure and its interval; a count is its own."""
    row = rows.iloc[0]
    mean = float(sum(float(row[name]) for name in value.split("+")))
    if value not in WITH_INTERVAL:
        return mean, mean, mean
    return mean, float(row["low"]), float(row["high"])


def _worst(verdicts: Iterable[str]) -> str:
    return min(verdicts, key=WORST_FIRST.index)


# -------------------------------------------------------------------------------------- in words


def _label(part: Part, row: Mapping[str, Any] = {}) -> str:
    """What the figure is; of a row that is not there, what it would have been."""
    return part.label.format_map({"rival": "the best rival", **part.pick.where, **row})


def _plain(value: float, form: str) -> str:
    text = format(value, form)
    return format(0.0, form) if text == format(-0.0, form) else text


def _number(part: Part, figure: Figure) -> str:
    mean, low, high = (_plain(value, part.form) for value in figure[:3])
    if pd.isna(figure.low) or figure.low == figure.mean == figure.high:
        return mean
    return f"{mean} [{low}, {high}]"


def _text(part: Part, figure: Figure, verdict: str) -> str:
    """``F_k from network to A +0.176 [+0.100, +0.217] is above 0.02: supported``."""
    least, most = part.allowed
    form = part.form.lstrip("+")
    if part.kind == "equal":
        asked = f"within ±{part.band:g}"
    elif most < inf:
        asked = f"from {least:{form}} to {most:{form}}"
    else:
        asked = f"above {least:{form if part.kind == 'threshold' else 'g'}}"
    text = f"{_label(part, figure.row)} {_number(part, figure)}, asked {asked}: {verdict}"
    if pd.isna(figure.low):
        return (
            f"{text}, because {'one seed gives' if part.pick.per_seed else 'there is'} no interval"
        )
    wide = part.kind != "threshold" and figure.high - figure.low > 2 * part.band
    if verdict == UNDECIDED and wide:
        text += f", and this edition cannot settle it, its interval is wider than ±{part.band:g}"
    return text


def _published_text(claim: Claim) -> str:
    rows = of_the_paper([claim])
    texts = [
        f"{row.figures} ({row.source}; {row.verdict} by this rule)" for row in rows.itertuples()
    ]
    return "; ".join(texts) or claim.published
