"""What a result rests on: reached modules, without prose; and a command line that loads nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from companion import sources
from companion.book.notebooks import notebooks, read_source
from companion.sources import fingerprint, imported_by, reached

HEAVY = ("torch", "scanpy", "gseapy", "sklearn", "matplotlib", "anndata", "pandas", "numpy")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import aligned as al\nal.refine(1)", ["aligned.refine"]),
        ("import companion as co\nco.run_main", ["companion.main_results"]),
        ("from aligned import Config, data", ["aligned.config", "aligned.data"]),
        ("from companion import plot", ["companion.plot"]),
        ("import os\nos.refine", []),
        ("import aligned as al\nal.nothing", []),
    ],
)
def test_imports_are_found_through_the_front_doors(code: str, expected: list[str]) -> None:
    found = [name for name in imported_by(code) if name.count(".") == 1]
    assert sorted(set(found)) == expected


def test_a_better_sentence_makes_nothing_stale_and_a_changed_line_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "aligned"
    package.mkdir()
    (package / "__init__.pyi").write_text("")
    module, other = package / "one.py", package / "two.py"
    monkeypatch.setattr(sources, "ROOT", tmp_path)

    def hash_of(one: str, two: str) -> str:
        module.write_text(f"{one}\nfrom aligned.two import f\n")
        other.write_text(two)
        for function in (sources._path, sources._code, sources._imports, sources._door):
            function.cache_clear()
        return fingerprint(["aligned.one"])

    first = hash_of('"""Says."""\nx = 1', "def f():\n    return 1")
    assert (
        hash_of('"""Says it better."""\nx  =  1  # one', 'def f():\n    """Why."""\n    return 1')
        == first
    )
    assert hash_of('"""Says."""\nx = 2', "def f():\n    return 1") != first
    assert hash_of('"""Says."""\nx = 1', "def f():\n    return 2") != first
    for function in (sources._path, sources._code, sources._imports, sources._door):
        function.cache_clear()


def test_no_notebook_reaches_the_command_line() -> None:
    for name in notebooks():
        code = "\n".join(c.source for c in read_source(name).cells if c.cell_type == "code")
        plain = "\n".join(line for line in code.splitlines() if not line.startswith("%"))
        assert ast.parse(plain)
        found = reached(imported_by(plain))
        assert "aligned.knowledge.network" in found
        assert not {n for n in found if n.startswith(("aligned.cli", "companion.cli"))}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["fit", "--help"], 0),
        (["run", "--help"], 0),
        (["fti"], 2),
        (["fit", "--sede", "3"], 2),
        (["report", "--tilte", "x"], 2),
    ],
)
def test_the_door_is_light(words: list[str], code: int) -> None:
    program = (
        "import sys\nfrom aligned.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as end:\n"
        f"    loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    print('loaded', loaded, 'code', end.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f"loaded [] code {code}" in done.stdout, done.stdout + done.stderr
