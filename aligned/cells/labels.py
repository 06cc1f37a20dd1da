"""How cells are labelled: which genes were perturbed, in which direction, and which are controls.

Two conventions are read, and may be mixed:

- GEARS: ``A+B``, ``A+ctrl``, ``ctrl+A``, ``ctrl``, in ``obs["condition"]``;
- scPerturb: ``A_B``, ``A``, ``control``, in ``obs["perturbation"]`` or ``obs["guide"]``.

An underscore also stands inside names, so it parts two genes only where both are known as genes
from the matrix or from other labels. A guide's number (``KLF1_2``, ``sgKLF1-1``) is cut off where
what is left is a known gene. Labels of the same genes are one condition, in whichever order.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

__all__ = [
    "CONTROLS",
    "KINDS",
    "choose_control",
    "choose_key",
    "column",
    "kind_sign",
    "read_labels",
    "select",
]

#: Columns that hold labels, in the order in which they are tried.
KEYS = ("condition", "perturbation", "guide", "guide_gene", "gene", "target")
#: Labels of unperturbed cells, as data sets write them.
CONTROLS = (
    "ctrl",
    "control",
    "non-targeting",
    "nontargeting",
    "non_targeting",
    "NT",
    "unperturbed",
)
#: Direction of a perturbation by its kind.
KINDS: Mapping[str, int] = {
    **dict.fromkeys(("crispri", "ko", "kd", "knockout", "knockdown", "crisprko", "crispr-ko"), -1),
    **dict.fromkeys(("crispr-i", "knock-out", "knock-down", "sirna", "shrna", "rnai"), -1),
    **dict.fromkeys(("crispra", "crispr-a", "oe", "overexpression", "over-expression", "orf"), 1),
}
#: Labels of cells of which nobody knows what was perturbed.
_UNASSIGNED = ("", "nan", "none", "na", "*", "unassigned", "unknown", "ambiguous", "multiplet")
_BETWEEN = re.compile(r"\s*[+|;,&]\s*")
_GUIDE = re.compile(r"(?:sg)?(.+?)(?:[-_.](?:g|sg|guide)?\d{1,2})?", re.IGNORECASE)


# ------------------------------------------------------------------------------------ columns


def column(obs: pd.DataFrame, name: str, option: str) -> pd.Series:
    """A column of ``obs`` as text, "" where missing.

    Raises
    ------
    ValueError
        There is no such column; the message names the nearest.
    """
    if name not in obs:
        near = difflib.get_close_matches(name, map(str, obs.columns), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"{option}: the cells have no column {name!r}; {hint}Columns: "
            f"{', '.join(map(str, obs.columns)) or 'none'}."
        )
    values = obs[name]
    return values.astype(object).where(values.notna(), "").astype(str)


def select(obs: pd.DataFrame, where: Sequence[str]) -> pd.Series:
    """Which cells fulfil every ``column=value``.

    Raises
    ------
    ValueError
        An entry is no ``column=value``, a column or value does not exist, or no cell is left.

    Examples
    --------
    >>> cells = pd.DataFrame({"dataset": ["norman19", "other"]})
    >>> select(cells, ["dataset=norman19"]).tolist()
    [True, False]
    >>> select(cells, ["dataset=norman"])
    Traceback (most recent call last):
    ...
    ValueError: --where dataset=norman: no cell has this value; dataset holds norman19, other.
    """
    chosen = pd.Series(True, index=obs.index)
    for text in where:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"--where {text}: write column=value, e.g. --where cell_type=K562.")
        values = column(obs, name.strip(), f"--where {text}")
        fits = values == value.strip()
        if not fits.any():
            raise ValueError(
                f"--where {text}: no cell has this value; {name.strip()} holds "
                f"{_some(pd.unique(values))}."
            )
        chosen &= fits.to_numpy()
    if not chosen.any():
        raise ValueError(f"no cell fulfils {' and '.join(where)} together; loosen one of them.")
    return chosen


def choose_key(obs: pd.DataFrame, control: str) -> str:
    """The column of labels: the first usual one in which some cells are controls.

    Raises
    ------
    ValueError
        There is none; the message names columns that hold the control's label.
    """
    wanted = (control,) if control else CONTROLS
    usual = {str(name).lower(): str(name) for name in obs.columns}
    for name in (usual[key] for key in KEYS if key in usual):
        if column(obs, name, "").isin(wanted).any():
            return name
    found = _holding(obs, wanted)
    raise ValueError(
        "say which column holds the perturbations with --condition-key; "
        + (
            f"{_some(found)} holds control cells."
            if found
            else f"no column holds {' or '.join(map(repr, wanted[:3]))}, so add --control too "
            f"(columns: {', '.join(map(str, obs.columns)) or 'none'})."
        )
    )


def choose_control(obs: pd.DataFrame, key: str, control: str) -> str:
    """The label of the controls in a column, given or found.

    Raises
    ------
    ValueError
        No cell has it, or none or several of the usual ones are there.
    """
    labels = column(obs, key, "--condition-key")
    values = [str(value) for value in pd.unique(labels)]
    if control and control in values:
        return control
    usual = [value for value in values if value in CONTROLS]
    if not control and len(usual) == 1:
        return usual[0]
    if not control and usual:
        raise ValueError(
            f"{key} holds several labels of controls ({', '.join(usual)}); say which one with "
            "--control, or select cells with --where."
        )
    near = usual or (difflib.get_close_matches(control, values, n=1) if control else [])
    other = [name for name in _holding(obs, (control,) if control else CONTROLS) if name != key]
    hint = f"did you mean --control {near[0]}? " if near else ""
    hint += f"Did you mean --condition-key {other[0]}, which holds it? " if other else ""
    what = (
        f"no cell is {control!r} in the column {key!r}"
        if control
        else (
            f"the column {key!r} holds none of the usual labels of controls ({', '.join(CONTROLS)})"
        )
    )
    raise ValueError(
        f"{what} (it holds {_some(values)}); {hint}Name the label of the unperturbed cells with "
        "--control."
    )


def _holding(obs: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    return [str(name) for name in obs.columns if obs[name].astype(str).isin(labels).any()]


# ------------------------------------------------------------------------------------- labels


def read_labels(
    labels: pd.Series, control: str, genes: Iterable[str], strip: str = ""
) -> dict[str, tuple[str, ...] | None]:
    """Perturbed genes behind every label.

    Parameters
    ----------
    labels : Series of str
        Label of each cell.
    control : str
        Label of the controls.
    genes : iterable of str
        Names of the measured genes.
    strip : str
        Regular expression of what is cut off every label first, such as ``_pDS\\d+$``.

    Returns
    -------
    dict
        Sorted perturbed genes by label: ``()`` for controls, None where it is unknown, and for
        another usual label of controls, whose cells then take no part.

    Raises
    ------
    ValueError
        ``strip`` is no regular expression, or what an underscore means is unclear.

    Examples
    --------
    >>> found = read_labels(pd.Series(["ctrl", "B+A", "ctrl+A", "A_1", "nan"]), "ctrl", ["A", "B"])
    >>> found["B+A"], found["ctrl+A"], found["A_1"], found["ctrl"], found["nan"]
    (('A', 'B'), ('A',), ('A',), (), None)
    """
    try:
        cut = re.compile(strip)
    except re.error as error:
        raise ValueError(f"--strip {strip}: no regular expression ({error}).") from error
    plain = {
        str(label): cut.sub("", str(label)).strip() if strip else str(label).strip()
        for label in pd.unique(labels)
    }
    empty = {control, *(cut.sub("", control) if strip else control,), *CONTROLS}
    assigned = [
        text
        for label, text in plain.items()
        if label != control and text not in empty and text.lower() not in _UNASSIGNED
    ]
    known = set(map(str, genes))
    parts = {text: [p for p in _BETWEEN.split(text) if p not in empty] for text in assigned}
    measured = set(known)
    known |= {p for row in parts.values() for p in row if "_" not in p}
    pairs = _underscores([p for row in parts.values() for p in row if "_" in p], known, empty)
    found: dict[str, tuple[str, ...] | None] = {}
    for label, text in plain.items():
        if label == control or text == plain.get(control):
            found[label] = ()
        elif text not in parts:
            found[label] = None
        else:
            names = (name for part in parts[text] for name in pairs.get(part, [part]))
            found[label] = tuple(
                sorted({_gene(n, known, measured) for n in names if n.lower() not in ("none", "")})
            )
    return found


def _underscores(parts: list[str], known: set[str], empty: set[str]) -> dict[str, list[str]]:
    """What lies on both sides of underscores, where they part genes."""
    found, unclear = {}, []
    for part in dict.fromkeys(parts):
        if part in known or _gene(part, known) in known:
            continue
        pieces = [p for p in part.split("_") if p not in empty and p.lower() != "none"]
        if sum(_gene(p, known) in known for p in pieces) < len(pieces):
            unclear.append(part)
        found[part] = pieces
    if 2 * len(unclear) > len(found):  # else the convention is plain, and some genes not measured
        raise ValueError(
            f"the label {unclear[0]!r} ({len(unclear)} such) could be two genes or a gene and the "
            "name of its guide; use a column with plain gene names, or cut the rest off, e.g. "
            r"--strip '_p[A-Z]+\d+$'."
        )
    return found


def _gene(name: str, known: set[str], measured: set[str] | None = None) -> str:
    """The name without what marks a guide, where that is a known gene."""
    if name in (known if measured is None else measured):
        return name
    match = _GUIDE.fullmatch(name)
    return match[1] if match and match[1] in known else name


def kind_sign(kind: str, where: str) -> int:
    """-1 or 1 for a kind of perturbation.

    Raises
    ------
    ValueError
        The kind is unknown, or does not say the direction (``CRISPR``).

    Examples
    --------
    >>> kind_sign("CRISPRi", "--kind"), kind_sign("CRISPRa", "--kind")
    (-1, 1)
    """
    sign = KINDS.get(kind.strip().lower().replace(" ", ""))
    if sign is None:
        raise ValueError(
            f"{where} says {kind!r}, which does not tell the direction; say it yourself: --kind "
            "crispri, ko or kd (down), --kind crispra or oe (up)."
        )
    return sign


def _some(names: Iterable[object], count: int = 6) -> str:
    listed = [str(name) for name in names]
    more = f", … ({len(listed)} in all)" if len(listed) > count else ""
    return ", ".join(listed[:count]) + more
