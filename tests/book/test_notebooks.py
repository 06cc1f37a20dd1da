"""Running notebooks, on a little checkout of its own: parameters, failures, repetition, pairs."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import nbformat
import papermill
import pytest

import aligned._assets
from companion.book import (
    BookError,
    load_edition,
    notebooks,
    parameters_of,
    run_notebook,
    sync_notebooks,
    workspace,
)
from companion.book.sync import _with_plain_ids

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
