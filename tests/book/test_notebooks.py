"""Running notebooks, on a little checkout of its own: parameters, failures, repetition, pairs."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from pathlib import Path
from textwrap import dedent

import nbformat
import papermill
import pytest

import aligned._assets
import companion
from companion.book import (
    BookError,
    load_edition,
    notebooks,
    parameters_of,
    run_notebook,
    sync_notebooks,
    workspace,
)
from companion.book.notebooks import page_source
from companion.book.sync import _with_plain_ids, committed_pages

SOURCE = """\
    # %% [markdown]
    # # A little notebook

    # %% tags=["parameters"]
    edition = "demo"
    seed = 0  # of everything
    seeds = [0, 1]
    fail = False

    # %%
    import os, sys
    from pathlib import Path
    print(edition, seed, seeds, sys.executable, Path.cwd())
    if fail:
        raise KeyError("the first line\\nthe second")

    # %% tags=["nbval-check-output"]
    seed + sum(seeds)
    """


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one notebook and two editions, in place of the real one."""
    monkeypatch.setattr(aligned._assets, "_PACKED", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    folder = tmp_path / "notebooks" / "editions"
    folder.mkdir(parents=True)
    (folder.parent / "01_little.py").write_text(dedent(SOURCE))
    for name, extra in {"demo": "", "real": "notebooks: {01_little: {seeds: [5]}}"}.items():
        text = f"edition: {name}\ntitle: T\ndata: demo\nyardstick: {{k: 1, rule: boolean}}\n{extra}"
        (folder / f"{name}.yaml").write_text(text)
    return tmp_path


def _output(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))


def _words_after(text: str, start: str) -> str:
    return text[text.index(start) :]


def test_the_notebook_runs_here_with_the_editions_and_the_callers_parameters(
    checkout: Path,
) -> None:
    out = run_notebook("01_little", "real", {"seed": 7})
    assert out == checkout / "build" / "real" / "notebooks" / "01_little.ipynb"
    import sys

    assert _output(out).strip() == f"real 7 [5] {sys.executable} {checkout}"
    assert [p.name for p in out.parent.iterdir() if p.name.startswith(".")] == []


def test_a_second_run_does_nothing_until_something_changes(checkout: Path) -> None:
    out = run_notebook("01_little", skip_unchanged=True)
    first = out.stat().st_mtime_ns
    assert run_notebook("01_little", skip_unchanged=True).stat().st_mtime_ns == first
    run_notebook("01_little", parameters={"seed": 1}, skip_unchanged=True)
    assert out.stat().st_mtime_ns > first


def test_a_failing_cell_gives_one_sentence_and_leaves_the_old_copy(checkout: Path) -> None:
    out = workspace("demo") / "notebooks" / "01_little.ipynb"
    out.parent.mkdir(parents=True)
    out.write_text("old")
    with pytest.raises(
        BookError, match=r"^notebook '01_little' stopped at its code cell \[3\] with KeyError: .*"
    ) as caught:
        run_notebook("01_little", parameters={"fail": True})
    assert "\n" not in str(caught.value)
    assert [path.name for path in out.parent.iterdir()] == ["01_little.ipynb"]
    assert out.read_text() == "old"


def test_wrong_names_are_answered_with_the_right_ones(checkout: Path) -> None:
    with pytest.raises(ValueError, match="no notebook '99'; the notebooks are: 01_little"):
        run_notebook("99")
    with pytest.raises(ValueError, match="no edition 'yeast'; use one of demo, real"):
        run_notebook("01_little", "yeast")
    with pytest.raises(ValueError, match="no parameter 'sed'; its parameters are: edition, seed"):
        run_notebook("01_little", parameters={"sed": 1})
    assert not (checkout / "build").exists()


@pytest.mark.parametrize(
    ("default", "value", "wanted"),
    [
        (0, 7, ""),
        (0.5, 3, ""),  # a whole number for a number
        (False, True, ""),
        ("auto", 2, ""),
        ("auto", "boolean", ""),
        ([0, 1], [], ""),
        ([], ["x", 2], ""),  # of what, an empty list does not tell
        (0, "7", "a whole number, such as its default 0"),
        (0, True, "a whole number, such as its default 0"),
        (0, 0.5, "a whole number, such as its default 0"),
        (0.5, "many", "a number, such as its default 0.5"),
        (0.5, None, "a number, such as its default 0.5"),
        (False, 1, "true or false, such as its default False"),
        ("", ["a"], "text, such as its default ''"),
        ([], 0, "a list, such as its default []"),
        ([0, 1], ["a"], "a list of whole numbers, such as its default [0, 1]"),
        (["a"], "a", "a list of words, such as its default ['a']"),
        ("auto", [1], "a word or a number, such as its default 'auto'"),
    ],
)
def test_a_parameter_is_of_its_defaults_kind(
    checkout: Path, default: object, value: object, wanted: str
) -> None:
    source = checkout / "notebooks" / "01_little.py"
    source.write_text(source.read_text().replace("seed = 0 ", f"seed = {default!r} "))
    if not wanted:
        assert page_source("01_little", "demo", {"seed": value})[1]["seed"] == value
        return
    told = f"the parameter 'seed' of the notebook '01_little' is {str(value)!r}; give {wanted}."
    with pytest.raises(ValueError) as caught:
        run_notebook("01_little", parameters={"seed": value})
    assert str(caught.value) == told
    assert not (checkout / "build").exists()


@pytest.mark.parametrize("tables", ["", "somewhere"])
def test_walks_run_where_data_are_computed_and_are_left_out_elsewhere(
    checkout: Path, tables: str
) -> None:
    source = checkout / "notebooks" / "01_little.py"
    walk = '# %% [markdown] tags=["walk"]\n# In short.\n\n# %% tags=["walk"]\nprint(seed)\n\n'
    text = source.read_text().replace("fail = False", f'fail = False\ntables = "{tables}"')
    source.write_text(text.replace("# %%\nimport os", f"{walk}# %%\nimport os"))
    pair = nbformat.read(sync_notebooks()[0], as_version=4)
    tagged = [cell for cell in pair.cells if "walk" in cell.metadata.get("tags", [])]
    assert len(tagged) == (0 if tables else 2)
    assert len(pair.cells) == (4 if tables else 6)
    assert pair.cells[-1].outputs[0].data["text/plain"] == "1"
    report = checkout / "report"
    report.mkdir()
    text = (checkout / "notebooks" / "editions" / "demo.yaml").read_text()
    (report / "edition.yaml").write_text(text)
    assert len(page_source("01_little", str(report))[0].cells) == 4


# ------------------------------------------------------------------- the walks themselves

#: What a walk may use besides its own names and the parameters.
TOOLS = {"al", "co", "np", "pd", "display", "prose", "styled", "average_precision_score"}
TOOLS |= set(dir(builtins))


def _walk(name: str) -> tuple[str, list[str]]:
    """Parameters and imports of a notebook as it stands, and its walk's cells."""
    cells = [cell for cell in page_source(name)[0].cells if cell.cell_type == "code"]
    walk = [cell.source for cell in cells if "walk" in cell.metadata.get("tags", [])]
    parameters, imports = cells[0].source, cells[1].source
    return f"{parameters}\n{re.sub('(?m)^%.*$', '', imports)}", walk


@pytest.mark.parametrize("name", notebooks())
def test_a_walk_is_short_runs_in_seconds_and_uses_public_names_only(name: str) -> None:
    before, cells = _walk(name)
    assert cells, "begin with the computation on one fold or condition, in cells tagged 'walk'"
    found: dict[str, object] = {}
    exec(before, found)
    given = set(found)
    own: set[str] = set()
    for cell in cells:
        assert len(cell.splitlines()) <= 20
        nodes = list(ast.walk(ast.parse(cell)))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
        functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        own |= {n.id for n in names if isinstance(n.ctx, ast.Store)} | arguments | functions
        assert {n.id for n in names} <= own | set(parameters_of(name)) | TOOLS
        attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
        assert not any(node.attr.startswith("_") for node in attributes)
        for door, package in (("al", aligned), ("co", companion)):
            taken = {n.attr for n in attributes if ast.unparse(n.value) == door}
            assert taken <= set(package.__all__)
        assert not any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in nodes)
        exec(cell, found)
    assert not own & given, "a walk changes a parameter or an import"


@pytest.mark.parametrize("page", committed_pages())
def test_only_pages_that_compute_have_a_walk(page: str) -> None:
    node, settings = page_source(*committed_pages()[page])
    tags = {tag for cell in node.cells for tag in cell.metadata.get("tags", [])}
    assert ("walk" in tags) == (not settings.get("tables"))


def test_a_notebook_without_a_parameters_cell_is_refused(checkout: Path) -> None:
    (checkout / "notebooks" / "02_bare.py").write_text("# %%\nx = 1\n")
    with pytest.raises(ValueError, match="'02_bare' has no cell tagged 'parameters'"):
        run_notebook("02_bare")


def test_parameters_are_read_with_their_defaults(checkout: Path) -> None:
    assert notebooks() == ["01_little"]
    known = {"edition": "demo", "seed": 0, "seeds": [0, 1], "fail": False}
    assert parameters_of("01_little") == known


def test_an_edition_without_a_key_says_which(checkout: Path) -> None:
    (checkout / "notebooks" / "editions" / "half.yaml").write_text("edition: half\ntitle: H\n")
    with pytest.raises(ValueError, match=r"half\.yaml: it lacks the key 'data'; add it"):
        load_edition("half")


def test_committed_pairs_hold_outputs_and_nothing_volatile(checkout: Path) -> None:
    demo = checkout / "notebooks" / "editions" / "demo.yaml"
    page = "pages: [{page: 01_real, notebook: 01_little, edition: real, parameters: {seed: 9}}]"
    demo.write_text(demo.read_text() + page)
    pair, real = sync_notebooks()
    assert (pair.name, real.name) == ("01_little.ipynb", "01_real.ipynb")
    first = pair.read_bytes()
    assert sync_notebooks()[0].read_bytes() == first

    node = nbformat.read(real, as_version=4)
    nbformat.validate(node)
    settings = next(c for c in node.cells if "parameters" in c.metadata.get("tags", []))
    assert settings.source.splitlines() == [
        'edition = "real"',
        "seed = 9  # of everything",
        "seeds = [5]",
        "fail = False",
    ]
    text = real.read_text() + pair.read_text()
    assert "papermill" not in text
    assert str(checkout) not in text
    assert node.cells[-1].outputs[0].data["text/plain"] == "14"

    again = checkout / "out.ipynb"  # plain papermill works on the committed notebook as well
    papermill.execute_notebook(
        str(pair), str(again), parameters={"seed": 3}, progress_bar=False, cwd=str(checkout)
    )
    assert _words_after(_output(again), "demo").startswith("demo 3 [0, 1]")


def test_random_ids_of_tables_and_drawings_are_numbered() -> None:
    table = '<style>#T_3ab9f_row0 {}</style><table id="T_3ab9f"><td id="T_3ab9f_row0_col0">'
    other = table.replace("3ab9f", "00c1d")
    assert _with_plain_ids(table, "003-0") == _with_plain_ids(other, "003-0")
    assert _with_plain_ids(table, "003-0") != _with_plain_ids(table, "003-1")
    assert _with_plain_ids(table, "003-0").count("T003-0-0") == 3
    drawing = '<dc:date>2026-01-01</dc:date><g id="p0123456789"/><use href="#mabcdef0123" x="1"/>'
    plain = '<dc:date/><g id="p7-0"/><use href="#m7-1" x="1"/>'
    assert _with_plain_ids(drawing, "7") == plain


def test_tables_that_must_not_be_replaced_stop_a_notebook_before_it_starts(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = checkout / "notebooks" / "01_little.py"
    source.write_text(source.read_text().replace("fail = False", 'fail = False\nout = ""'))
    mine = checkout / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("a thought")
    started: list[object] = []
    module = sys.modules["companion.book.notebooks"]
    monkeypatch.setattr(module, "_execute", lambda *words: started.append(words))
    with pytest.raises(FileExistsError, match="mine is not empty and holds no run of ours"):
        run_notebook("01_little", parameters={"out": "mine"})
    (checkout / "file").touch()
    with pytest.raises(ValueError, match="nothing can be written in"):
        run_notebook("01_little", parameters={"out": "file/tables"})
    assert started == []
