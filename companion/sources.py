"""What code a result rests on: the modules that others reach by their imports, without prose.

Comments, docstrings and layout do not count, so a better sentence makes no result stale.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

__all__ = ["fingerprint", "imported_by", "reached"]

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("aligned", "companion")


def fingerprint(modules: Iterable[str]) -> str:
    """Hash of all code that these modules reach.

    Parameters
    ----------
    modules : iterable of str
        Dotted names, such as ``companion.engine``.

    Examples
    --------
    >>> fingerprint(["aligned.scores"]) == fingerprint(["aligned.loop"])
    False
    """
    digest = hashlib.sha256()
    for name in sorted(reached(modules)):
        digest.update(f"{name}\n{_code(_path(name))}\n".encode())
    return digest.hexdigest()


def reached(modules: Iterable[str]) -> set[str]:
    """These modules and all of ours that they import, directly or in steps.

    What `aligned.load` finds by entry point counts as imported by ``aligned.data``.
    """
    found: set[str] = set()
    left = [name for name in modules if _path(name) is not None]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        left += _imports(name)
        if name == "aligned.data":
            left += [point.module for point in entry_points(group="aligned.editions")]
    return found


def imported_by(code: str) -> list[str]:
    """Our modules that a piece of code imports, through the front doors too.

    Examples
    --------
    >>> imported_by("import aligned as al\\nal.refine")
    ['aligned.refine']
    """
    tree = ast.parse(code)
    doors: dict[str, str] = {}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in PACKAGES:
                    doors[alias.asname or alias.name] = alias.name
                found.add(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            for alias in node.names:
                door = _door(node.module) if node.module in PACKAGES else {}
                found.add(door.get(alias.name, f"{node.module}.{alias.name}"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            package = doors.get(node.value.id)
            if package is not None and node.attr in _door(package):
                found.add(_door(package)[node.attr])
    return sorted(name for name in found if name not in PACKAGES and _path(name) is not None)


@cache
def _imports(name: str) -> list[str]:
    path = _path(name)
    return [] if path is None else imported_by(path.read_text(encoding="utf-8"))


@cache
def _door(package: str) -> dict[str, str]:
    """Name at a package's front door -> module that holds it, from its stub."""
    stub = ast.parse((ROOT / package / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.name: f"{package}.{node.module}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@cache
def _path(name: str) -> Path | None:
    if name.split(".")[0] not in PACKAGES:
        return None
    place = ROOT.joinpath(*name.split("."))
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file():
            return path
    return None


@cache
def _code(path: Path | None) -> str:
    """The code of a file as a tree, without docstrings."""
    if path is None:
        return ""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)
