"""Run one notebook with papermill: source in, executed copy out, nothing half-written."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aligned._assets import asset
from aligned.files import check_place, lock, scratch_beside
from aligned.records import check_replaceable
from companion.book.editions import (
    DEFAULT,
    checkout,
    edition_file,
    is_report,
    load_edition,
    workspace,
)
from companion.sources import fingerprint as code_fingerprint
from companion.sources import imported_by

__all__ = ["BookError", "notebooks", "page_source", "parameters_of", "read_source", "run_notebook"]

#: Kinds of parameters, one and many.
_KINDS = {
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "words"),
}
_NEEDED = ("ipykernel", "jupytext", "nbclient", "nbformat", "papermill")


class BookError(RuntimeError):
    """A notebook or the book could not be made; the message says where and why."""


def notebooks() -> list[str]:
    """Names of all notebooks, in the order of the paper."""
    folder = asset("notebooks")
    sources = sorted(path.stem for path in folder.glob("[0-9]*.py"))
    return sources or sorted(path.stem for path in folder.glob("[0-9]*.ipynb"))


def read_source(name: str) -> Any:
    """The notebook `name` without outputs, as an nbformat node with deterministic cell ids.

    Raises
    ------
    ValueError
        There is no such notebook; the message lists those there are.
    """
    need_book_extra()
    import jupytext
    import nbformat

    if name not in notebooks():
        listed = ", ".join(notebooks()) or "none yet"
        raise ValueError(f"there is no notebook {name!r}; the notebooks are: {listed}.")
    source = asset("notebooks") / f"{name}.py"
    if source.exists():
        node = jupytext.read(source, fmt="py:percent")
    else:  # only executed copies at hand: take their code, leave their outputs
        node = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    for number, cell in enumerate(node.cells):
        cell.id = f"cell-{number:03d}"
        cell.metadata = nbformat.from_dict(
            {"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {}
        )
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    node.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    node.nbformat, node.nbformat_minor = 4, 5
    return node


def parameters_of(name: str) -> dict[str, Any]:
    """Parameters of a notebook with their defaults, read from its cell tagged ``parameters``."""
    return parameters_in(read_source(name), name)


def parameters_in(node: Any, name: str) -> dict[str, Any]:
    """The same for a notebook already read."""
    cell = parameter_cell(node)
    if cell is None:
        raise ValueError(
            f"the notebook {name!r} has no cell tagged 'parameters'; tag the cell of its settings."
        )
    return {target: ast.literal_eval(value) for target, value in assignments(cell.source)}


def parameter_cell(node: Any) -> Any:
    """The first cell tagged ``parameters``, or None."""
    tagged = (cell for cell in node.cells if "parameters" in cell.metadata.get("tags", []))
    return next(tagged, None)


def assignments(source: str) -> Iterator[tuple[str, ast.expr]]:
    """Name and value of every plain assignment in a parameters cell."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, statement.value
        elif (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value is not None
        ):
            yield statement.target.id, statement.value


def page_source(
    name: str, edition: str = DEFAULT, parameters: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """The cells of one page, and the settings they run with.

    Cells tagged ``walk`` compute on one fold or condition what the tables hold for all. They are
    left out of pages that show finished tables, which need no data, and of reports, which are about
    results.
    """
    node = read_source(name)
    known = parameters_in(node, name)
    settings = settings_for(name, edition, parameters, known)
    if {**known, **settings}.get("tables") or is_report(edition):
        node.cells = [c for c in node.cells if "walk" not in c.metadata.get("tags", [])]
    return node, settings


def settings_for(
    name: str, edition: str, parameters: Mapping[str, Any] | None, known: Mapping[str, Any]
) -> dict[str, Any]:
    """What is injected: the edition's parameters, then the caller's, then the edition's name."""
    wanted = {**load_edition(edition).notebooks.get(name, {}), **(parameters or {})}
    if "edition" in known:
        wanted["edition"] = edition
    unknown = [key for key in wanted if key not in known]
    if unknown:
        listed = ", ".join(known) or "none"
        raise ValueError(
            f"the notebook {name!r} has no parameter {unknown[0]!r}; its parameters are: {listed}."
        )
    for key, value in wanted.items():
        if not _fits(value, known[key]):
            raise ValueError(
                f"the parameter {key!r} of the notebook {name!r} is {str(value)[:60]!r}; "
                f"give {_kind(known[key])}, such as its default {known[key]!r}."
            )
    return wanted


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the default's kind; a setting that may be ``"auto"`` takes numbers."""
    if isinstance(default, list):
        alike = default[:1] * len(value) if isinstance(value, list) else []
        return isinstance(value, list) and all(map(_fits, value, alike))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if default == "auto":
        return number or isinstance(value, str)
    if isinstance(default, float):
        return number
    return type(value) is type(default)


def _kind(default: Any) -> str:
    """In words what `_fits` wants."""
    if isinstance(default, list):
        return "a list of " + _KINDS[type(default[0])][1] if default else "a list"
    return "a word or a number" if default == "auto" else _KINDS[type(default)][0]


def run_notebook(
    name: str,
    edition: str = DEFAULT,
    parameters: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    skip_unchanged: bool = False,
) -> Path:
    """Execute a notebook for one edition and return the path of the executed copy.

    The notebook's own defaults are overlaid with the edition's parameters, then with
    `parameters`. It runs on this very interpreter, in the root of the checkout, under papermill.

    Parameters
    ----------
    name : str
        A notebook, e.g. ``"03_ecoli_iterations"``.
    edition : str
        An edition, e.g. ``"demo"``.
    parameters : dict, optional
        Parameters of the notebook to change.
    out : path, optional
        Where the executed copy goes; ``build/<edition>/notebooks/<name>.ipynb`` by default.
    skip_unchanged : bool
        Do nothing if the copy at `out` was made from the same sources and settings.

    Returns
    -------
    Path
        The executed notebook. It appears whole or not at all.

    Raises
    ------
    ValueError
        No such notebook, edition or parameter, or a parameter of another kind than its default.
    BookError
        A cell failed; the message names notebook, cell and error.
    """
    node, settings = page_source(name, edition, parameters)
    default = workspace(edition) / "notebooks" / f"{name}.ipynb"
    target = Path(out).resolve() if out is not None else default
    stamp = target.with_suffix(".sources")
    state = fingerprint(node, settings, edition)
    if skip_unchanged and target.exists() and stamp.exists() and stamp.read_text() == state:
        return target
    check_place(target)
    if settings.get("out") and not settings.get("tables"):
        place = (checkout() or Path.cwd()) / str(settings["out"])
        check_replaceable(place)
        check_place(place)
    with lock(target), scratch_beside(target) as folder:
        stamp.unlink(missing_ok=True)
        done = folder / "executed.ipynb"
        _execute(node, name, settings, done, folder)
        done.replace(target)
    stamp.write_text(state)
    return target


def _execute(node: Any, name: str, settings: Mapping[str, Any], out: Path, scratch: Path) -> None:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    source = scratch / f"{name}.ipynb"
    source.write_text(json.dumps(node), encoding="utf-8")
    with _this_kernel(scratch):
        try:
            papermill.execute_notebook(
                str(source),
                str(out),
                parameters=dict(settings),
                kernel_name="python3",
                language="python",
                cwd=str(checkout() or Path.cwd()),
                progress_bar=sys.stderr.isatty(),
                start_timeout=180,
            )
        except PapermillExecutionError as error:
            line = (str(error.evalue).strip().splitlines() or [""])[0]
            raise BookError(
                f"notebook {name!r} stopped at its code cell [{error.exec_count}] with "
                f"{error.ename}: {line}"
            ) from error
        except (CellTimeoutError, DeadKernelError) as error:
            raise BookError(
                f"notebook {name!r} lost its kernel ({type(error).__name__}): it may have run out "
                "of memory; try smaller parameters or a larger machine."
            ) from error


@contextmanager
def _this_kernel(scratch: Path) -> Iterator[None]:
    """Make ``python3`` mean this interpreter and this package, whatever else is installed."""
    kernel = scratch / "kernels" / "python3"
    kernel.mkdir(parents=True)
    package_root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    launch = ["-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=CRITICAL"]
    spec = {
        "argv": [sys.executable, *launch],
        "display_name": "Python 3",
        "language": "python",
        "env": {
            "PYTHONPATH": os.pathsep.join(filter(None, [package_root, inherited])),
            "PYTHONHASHSEED": "0",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm.auto in a dependency
            "IPYTHONDIR": str(scratch / "ipython"),
        },
    }
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(scratch), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["JUPYTER_PATH"]
        else:
            os.environ["JUPYTER_PATH"] = before


def fingerprint(node: Any, settings: Mapping[str, Any], edition: str) -> str:
    """Hash of everything an executed notebook depends on: its cells, settings, code and data.

    Of the code what the notebook reaches by its imports, without docstrings and comments; of
    ``results/`` the folders that its cells or settings name.
    """
    digest = hashlib.sha256()
    cells = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in node.cells]
    digest.update(json.dumps([cells, dict(settings), edition], default=str).encode())
    digest.update(edition_file(edition).read_bytes())
    code = "\n".join(cell.source for cell in node.cells if cell.cell_type == "code")
    plain = "\n".join(line for line in code.splitlines() if not line.lstrip().startswith("%"))
    digest.update(code_fingerprint(imported_by(plain)).encode())
    root = Path(edition) if is_report(edition) else asset("notebooks").parent
    text = json.dumps([code, dict(settings)], default=str)
    named = sorted(set(re.findall(r"results/[\w/]*", text)))
    for folder in ("data", *(() if is_report(edition) else named)):
        digest_files(digest, sorted((root / folder).rglob("*")), root)
    return digest.hexdigest()


def sources() -> tuple[list[Path], Path]:
    """The Python files of both packages, and the folder that holds the packages."""
    root = Path(__file__).resolve().parents[2]
    return sorted(f for name in ("aligned", "companion") for f in (root / name).rglob("*.py")), root


def digest_files(digest: Any, paths: list[Path], root: Path) -> None:
    """Feed names and contents of files into a hash."""
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())


def need_book_extra() -> None:
    """Say in one sentence what to install where the extra ``book`` is missing."""
    for module in _NEEDED:
        if importlib.util.find_spec(module) is None:
            raise BookError(
                f"running notebooks needs the package {module!r}, which is not installed; "
                'install the extra: pip install "aligned-companion[book]".'
            )
