"""Networks from files: csv, tsv, parquet, SIF; with the columns that other tools write.

What a file must hold is ``source``, ``target`` and one of ``sign`` (+1, -1), ``weight`` or ``mor``
(decoupler's words; their sign counts). Signs may also be words, in a table as in a SIF file; every
word that is understood stands in `ACTIVATES`, `INHIBITS` or `DUAL`, and any other is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from aligned.reading import clean_names, listed, read_text, reason

__all__ = ["ACTIVATES", "DUAL", "INHIBITS", "load_edges", "network_columns", "read_table"]

ACTIVATES = (
    *("1", "+1", "1.0", "+", "->", "-->", "activates", "activation", "activator", "activating"),
    *("induces", "up", "upregulates", "up-regulates", "positive", "stimulates", "stimulation"),
)
INHIBITS = (
    *("-1", "-1.0", "-", "-|", "--|", "inhibits", "inhibition", "inhibitor", "inhibiting"),
    *("represses", "repression", "repressor", "down", "downregulates", "down-regulates"),
    *("negative",),
)
DUAL = ("+-", "-+", "dual")

_SIGN_COLUMNS = ("sign", "weight", "mor")
_OFTEN = {
    "source": ("regulator", "tf", "tf_name", "transcription_factor", "from", "source_genesymbol"),
    "target": ("gene", "target_gene", "tg", "regulated", "to", "target_genesymbol"),
    "sign": ("effect", "interaction", "relation", "mode", "regulation", "direction", "type"),
}
_FORMS = ".csv, .tsv, .txt, .parquet, .sif"


def load_edges(path: str | Path) -> pd.DataFrame:
    """Read a network from a file; gene ids stay text.

    Parameters
    ----------
    path : str or Path
        ``.csv`` (commas or semicolons), ``.tsv`` or ``.txt`` (tabs), ``.parquet``: columns
        ``source``, ``target``, one of ``sign``, ``weight``, ``mor``, and perhaps ``evidence``.
        ``.sif``: lines such as ``fnr activates narG`` or ``fnr -| ndh``, no header.

    Returns
    -------
    DataFrame
        The table for `aligned.KnowledgeBase.from_edges`: ``mor`` has become ``weight``, words have
        become signs, a dual edge two rows; further columns are kept.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is empty, broken off or no table, a column is missing (the message shows the renaming
        that mends it), or a word for a sign is not understood.

    Warns
    -----
    UserWarning
        A SIF file lists genes without an edge; they are left out.
    """
    path = Path(path)
    _refuse_empty(path)
    if path.suffix.lower() == ".sif":
        return _read_sif(path)
    frame = read_table(path, ["source", "target", "sign"])
    return network_columns(frame, str(path))


def network_columns(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Bring the columns of a network, e.g. decoupler's, to ``source, target, sign`` or ``weight``.

    Raises
    ------
    ValueError
        A column is missing, or a word for a sign is not understood.

    Examples
    --------
    >>> net = pd.DataFrame({"source": ["crp"], "target": ["lacZ"], "mor": [0.8]})
    >>> list(network_columns(net, "net").columns)
    ['source', 'target', 'weight']
    >>> network_columns(net.rename(columns={"source": "tf"}), "net")
    Traceback (most recent call last):
    ...
    ValueError: net lacks the column source (it has tf, target, mor); rename yours, e.g.
    frame.rename(columns={'tf': 'source'}).
    """
    columns = [str(column) for column in frame.columns]
    for name in ("source", "target", "evidence", *_SIGN_COLUMNS):
        if columns.count(name) > 1 or {name, f"{name}.1"} <= set(columns):  # pandas numbers them
            raise ValueError(f"{where} has the column {name} twice; keep one of them.")
    missing = [column for column in ("source", "target") if column not in columns]
    if not set(_SIGN_COLUMNS) & set(columns):
        missing.append("sign")
    if missing:
        raise ValueError(_columns_missing(columns, missing, where))
    if "mor" in columns and not {"sign", "weight"} & set(columns):
        frame = frame.rename(columns={"mor": "weight"})
    _refuse_broken_end(frame, where)
    frame = _with_clean_names(frame, where)
    if "sign" not in columns or pd.api.types.is_numeric_dtype(frame["sign"]):
        return frame
    return _signs_from_words(frame, where)


def read_table(path: Path, text_columns: Iterable[str]) -> pd.DataFrame:
    """Read a table as people export it: commas, semicolons, tabs or parquet.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file; it is empty, or no table.
    """
    _refuse_empty(path)
    ending = path.suffix.lower()
    if ending in (".xlsx", ".xls", ".ods"):
        raise ValueError(f"{path} is a spreadsheet; save the sheet as CSV and give that file.")
    try:
        if ending in (".parquet", ".pq"):
            return pd.read_parquet(path)
        with path.open(encoding="utf-8-sig") as stream:
            header = stream.readline()
        semicolons = ending not in (".tsv", ".txt") and ";" in header and "," not in header
        return pd.read_csv(
            path,
            sep="\t" if ending in (".tsv", ".txt") else ";" if semicolons else ",",
            decimal="," if semicolons else ".",
            dtype=dict.fromkeys([*text_columns, "name"], str),
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8-sig",
        )
    except Exception as error:  # whatever pandas and pyarrow find
        raise ValueError(
            f"{path} cannot be read as a table ({reason(error)}); is it whole? Export it "
            "again as CSV."
        ) from error


def _refuse_empty(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give the path of a table ({_FORMS}).")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); export it again.")


def _columns_missing(columns: list[str], missing: list[str], where: str) -> str:
    free = [c for c in columns if c not in ("source", "target", "evidence", *_SIGN_COLUMNS)]
    renames: dict[str, str] = {}
    for wanted in missing:
        near = (c for c in free if c.lower() in (wanted, *_OFTEN[wanted]) and c not in renames)
        renames[next(near, "your_column")] = wanted
    several = "s" if len(missing) > 1 else ""
    return (
        f"{where} lacks the column{several} {', '.join(missing)} (it has {listed(columns)}); "
        f"rename yours, e.g. frame.rename(columns={listed([renames])})."
    )


def _refuse_broken_end(frame: pd.DataFrame, where: str) -> None:
    if frame.empty:
        raise ValueError(f"{where} holds no edge, only a header; export it again.")
    needed = [c for c in ("source", "target", *_SIGN_COLUMNS) if c in frame.columns]
    gaps = frame[needed].isna().any(axis=1)
    if gaps.iloc[-1] and int(gaps.sum()) == 1:
        raise ValueError(
            f"{where} breaks off in its last row ({len(frame)} rows); it seems cut short, so "
            "export or download it again."
        )


def _with_clean_names(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    clean = {}
    for column in ("source", "target"):
        names = frame[column].astype(object)
        named = names.notna()  # what names no gene is told by from_edges, with the row
        clean[column] = names.mask(named)
        clean[column][named] = clean_names(names[named], f"the column {column} of {where}")
    return frame.assign(**clean)


def _signs_from_words(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    words = frame["sign"].astype(object)
    numbers = pd.to_numeric(words, errors="coerce")
    if (numbers.notna() | words.isna()).all():  # odd numbers are told by from_edges, with the row
        return frame.assign(sign=numbers)
    signs = [_meaning(word, f"row {row} of {where}") for row, word in words.items()]
    return _spread(frame, signs)


def _spread(frame: pd.DataFrame, signs: list[tuple[int, ...]]) -> pd.DataFrame:
    """One row per edge and sign."""
    spread = frame.assign(sign=pd.Series(signs, index=frame.index)).explode("sign")
    return spread.assign(sign=spread["sign"].astype(int)).reset_index(drop=True)


def _meaning(word: object, where: str) -> tuple[int, ...]:
    plain = str(word).strip().replace("\N{MINUS SIGN}", "-").lower()
    for known, signs in ((ACTIVATES, (1,)), (INHIBITS, (-1,)), (DUAL, (1, -1))):
        if plain in known:
            return signs
    raise ValueError(
        f"{where} has the relation {str(word)[:60]!r}, which says neither up nor down; understood "
        f"are, among others, {', '.join(ACTIVATES[5:8])}, -> and 1; {', '.join(INHIBITS[5:8])}, "
        "-| and -1; dual. Rename it, or leave such rows out."
    )


def _read_sif(path: Path) -> pd.DataFrame:
    lines = read_text(path).split("\n")
    rows, lonely = [], []
    for number, words in _sif_lines(lines):
        if len(words) == 1:
            lonely.append(words[0])
            continue
        if len(words) == 2:
            raise ValueError(
                f"line {number} of {path} ({' '.join(words)!r}) has two words; write source, "
                "relation and target, e.g. 'fnr activates narG' (is the file cut short?)."
            )
        signs = _meaning(words[1], f"line {number} of {path}")
        rows += [(words[0], target, sign) for target in words[2:] for sign in signs]
    if not rows:
        raise ValueError(f"{path} holds no edge; write lines such as 'fnr activates narG'.")
    if lonely:
        few = ", ".join(lonely[:3])
        warnings.warn(f"{path}: {len(lonely)} genes without an edge left out: {few}.", stacklevel=3)
    frame = pd.DataFrame(rows, columns=["source", "target", "sign"])
    return _with_clean_names(frame, str(path))


def _sif_lines(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=1):
        words = line.split("\t") if "\t" in line else line.split()
        words = [word.strip() for word in words if word.strip()]
        if words and not words[0].startswith("#"):
            yield number, words
