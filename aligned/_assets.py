"""Where files that are not Python live: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ["asset"]

_PACKAGE = Path(__file__).resolve().parent
_PACKED = _PACKAGE / "_assets_files"


def asset(name: str) -> Path:
    """Path of a repository file such as ``data/registry.yaml``.

    Parameters
    ----------
    name : str
        Path relative to the root of the repository, with ``/`` between its parts.

    Raises
    ------
    FileNotFoundError
        Neither the checkout nor the installed package holds it.

    Examples
    --------
    >>> asset("data/registry.yaml").name
    'registry.yaml'
    """
    root = _PACKED if _PACKED.is_dir() else _PACKAGE.parent
    path = root / name
    if not path.exists():
        raise FileNotFoundError(
            f"{name} is not in {root}; install aligned-companion again, or work from a complete "
            "checkout of the repository."
        )
    return path
