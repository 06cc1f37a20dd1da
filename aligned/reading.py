"""The one door for files from anywhere: text, YAML by a schema, and the names of genes.

Whatever is wrong with a file, who reads it here gets one ``ValueError`` (or ``FileNotFoundError``)
that says what, where, and how to mend it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError

__all__ = [
    "SCHEMA",
    "Settings",
    "clean_names",
    "flaw",
    "listed",
    "read_text",
    "read_yaml",
    "reason",
]

Kind = TypeVar("Kind")

#: How a schema reads: no key that nobody knows, no number that is none.
SCHEMA = ConfigDict(extra="forbid", allow_inf_nan=False)
#: A mapping whose values are free; an empty entry of a YAML file is an empty mapping.
Settings = Annotated[dict[str, Any], BeforeValidator(lambda given: {} if given is None else given)]

_MEGABYTE = 2**20
_DEEPEST = 30
_LONGEST = 60
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_text(path: str | Path, megabytes: int = 100) -> str:
    """Read a text file: UTF-8, with or without a byte-order mark.

    Parameters
    ----------
    path : str or Path
        The file.
    megabytes : int
        A larger file is refused.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is too large, or no text.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "genes.txt")
    ...     _ = path.write_bytes(b"\\xef\\xbb\\xbfcrp")
    ...     read_text(path)
    'crp'
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; correct the path.")
    size = path.stat().st_size
    if size > megabytes * _MEGABYTE:
        raise ValueError(
            f"{path} has {size / _MEGABYTE:,.0f} MB, more than the {megabytes} MB of any such file "
            "known here; give the right one."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise ValueError(f"{path} holds a byte 0, so it is no text; export it again.")
    return text


def read_yaml(path: str | Path, kind: type[Kind], megabytes: int = 1) -> Kind:
    """Read a YAML file by a schema; a key without a value counts as left out.

    Parameters
    ----------
    path : str or Path
        The file.
    kind : type
        A dataclass or a pydantic model; numbers, text and switches are not taken for each other.
    megabytes : int
        A larger file is refused.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no YAML, or breaks the schema; the first fault is told, with its place.

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Card:
    ...     title: str
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "card.yaml")
    ...     _ = path.write_text("title: 5")
    ...     try:
    ...         read_yaml(path, Card)
    ...     except ValueError as error:
    ...         print(str(error).removeprefix(folder))
    /card.yaml: title is 5; it should be a valid string.
    """
    text = read_text(path, megabytes)
    try:
        _refuse_deep(text)
        raw = yaml.load(text, Loader=_Loader)
    except Exception as error:  # the parser's own, and what odd scalars raise: dates, huge numbers
        raise ValueError(f"{path} is no YAML ({reason(error)}); mend that line.") from error
    if not isinstance(raw, dict):
        raise ValueError(f"{path} is no mapping; write lines such as 'title: My screen'.")
    given = {key: value for key, value in raw.items() if value not in (None, "")}
    try:  # through JSON: strict, but lists become tuples and text becomes paths
        return TypeAdapter(kind).validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
        raise ValueError(f"{path}: {_first_fault(error, kind)}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds a key or value that is neither text nor number.") from error


def clean_names(names: Iterable[object], where: str) -> list[str]:
    """Names of genes or conditions without blanks at their ends.

    Raises
    ------
    ValueError
        A name is empty, no text or whole number, or holds an invisible character.

    Examples
    --------
    >>> clean_names([" crp", 948], "edges.csv")
    ['crp', '948']
    >>> clean_names(["crp", "fnr\\x07"], "edges.csv")
    Traceback (most recent call last):
    ...
    ValueError: edges.csv has the name 'fnr\\x07' (number 2), which holds an invisible character;
    write plain text.
    """
    clean = []
    for number, name in enumerate(names, start=1):
        text = name.strip() if isinstance(name, str) else name
        if fault := flaw(text):
            raise ValueError(
                f"{where} has the name {_short(name)} (number {number}), which {fault}; write "
                "plain text."
            )
        clean.append(str(text))
    return clean


def flaw(name: object) -> str:
    """What is wrong with a name, empty if nothing.

    Examples
    --------
    >>> flaw("crp"), flaw("crp "), flaw(["crp"])
    ('', 'has blanks at its ends', 'is a list')
    """
    if not isinstance(name, str):
        whole = isinstance(name, Integral) and not isinstance(name, bool)
        return "" if whole else f"is a {type(name).__name__}"
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "has blanks at its ends"
    return "" if name.isprintable() else "holds an invisible character"


def listed(names: Iterable[object], longest: int = 200) -> str:
    """Names in a message: joined by commas, on one line, cut where they are too many.

    Examples
    --------
    >>> listed(["tf", "target", "mor"])
    'tf, target, mor'
    """
    text = "".join(c if c.isprintable() else " " for c in ", ".join(map(str, names)))
    return text if len(text) <= longest else f"{text[:longest]}…"


def reason(error: BaseException) -> str:
    """Another library's error in a few words on one line.

    Examples
    --------
    >>> reason(KeyError("a"))
    "KeyError: 'a'"
    """
    text = listed([error], 2000)
    kind = "" if isinstance(error, (yaml.YAMLError, ValueError)) and text else type(error).__name__
    return ": ".join(filter(None, (kind, " ".join(text.split())[:160].rstrip(".:; "))))


def _refuse_deep(text: str) -> None:
    """Levels without end, and aliases that would make a small file a large one."""
    inside: list[bool] = []  # of every open level, whether it has an anchor
    aliases = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            inside.append(event.anchor is not None)
            if len(inside) > _DEEPEST:
                raise ValueError(f"more than {_DEEPEST} brackets or levels in one another")
        elif isinstance(event, yaml.CollectionEndEvent):
            inside.pop()
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if any(inside) or aliases * len(text) > 10 * _MEGABYTE:
                raise ValueError(f"too many aliases, or one in another: *{event.anchor}")


def _first_fault(error: ValidationError, kind: Any) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    more = f" ({error.error_count() - 1} more faults after it)" if error.error_count() > 1 else ""
    above = ".".join(str(part) for part in fault["loc"][:-1])
    inside = f"{above} " if above else "it "
    if fault["type"] == "missing":
        return f"{inside}lacks the key {fault['loc'][-1]!r}; add it{more}."
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        key, fields = str(fault["loc"][-1]), getattr(kind, "__dataclass_fields__", {})
        near = difflib.get_close_matches(key, [] if above else [*fields], n=1)
        hint = f"did you mean {near[0]!r}?" if near else "take it out."
        return f"{inside}has the key {_short(key)}, which nobody reads; {hint}"
    if fault["type"] == "value_error":
        return f"{where}{': ' if where else ''}{fault['ctx']['error']}"
    if fault["type"] == "json_invalid":
        return "it holds text that is no Unicode; mend it."
    told = fault["msg"].removeprefix("Input ").rstrip(".")
    told = told[0].lower() + told[1:]
    return f"{where or 'it'} is {_short(fault['input'])}; it {told.removeprefix('it ')}{more}."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
