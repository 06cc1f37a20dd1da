"""Networks by file: every form that is understood, and one clear sentence for any other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from aligned import KnowledgeBase
from aligned.data import load_edges
from aligned.data.edges import ACTIVATES, DUAL, INHIBITS, network_columns

ROWS = [("crp", "lacZ", 1), ("fnr", "ndh", -1), ("fnr", "narG", 1)]


def _frame(last: str = "sign") -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["source", "target", last])


def _edges(path: Path) -> list[tuple[str, str, int]]:
    """Through the knowledge base, as every command reads them."""
    table = KnowledgeBase.from_edges(load_edges(path)).to_edges()
    rows = table[["source", "target", "sign"]].itertuples(index=False)
    return [(s, t, int(sign)) for s, t, sign in rows]


@pytest.mark.parametrize("last", ["sign", "weight", "mor"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "parquet"])
def test_every_form_gives_the_same_edges(tmp_path: Path, ending: str, last: str) -> None:
    path = tmp_path / f"net.{ending}"
    frame = _frame(last)
    if last != "sign":
        frame[last] = frame[last] * 0.37  # only the sign of a weight counts
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="," if ending == "csv" else "\t", index=False)
    assert _edges(path) == ROWS


def test_spreadsheets_of_other_countries(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    text = "source;target;weight\ncrp;lacZ;0,5\nfnr;ndh;-1,5\nfnr;narG;2\n"
    path.write_text("\N{ZERO WIDTH NO-BREAK SPACE}" + text, encoding="utf-8")
    assert _edges(path) == ROWS


def test_ids_stay_text_and_evidence_stays(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    path.write_text("source,target,sign,evidence\n0012,NA,1,chip\n")
    table = load_edges(path)
    assert table.iloc[0].tolist() == ["0012", "NA", 1, "chip"]


def test_words_for_signs_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    path.write_text("source,target,sign\na,b,activator\na,c,Repression\na,d,dual\n")
    assert _edges(path) == [("a", "b", 1), ("a", "c", -1), ("a", "d", 1), ("a", "d", -1)]


def test_sif_with_every_relation_that_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "net.sif"
    words = {**dict.fromkeys(ACTIVATES, (1,)), **dict.fromkeys(INHIBITS, (-1,))}
    words.update(dict.fromkeys(DUAL, (1, -1)))
    lines = [f"tf {word} g{i}" for i, word in enumerate(words)]
    path.write_text("# a comment\n" + "\n".join(lines) + "\n")
    wanted = [("tf", f"g{i}", s) for i, signs in enumerate(words.values()) for s in signs]
    assert _edges(path) == wanted


def test_sif_with_tabs_several_targets_and_lonely_genes(tmp_path: Path) -> None:
    path = tmp_path / "net.sif"
    path.write_text("tf one\t->\tg 1\tg2\nalone\n")
    with pytest.warns(UserWarning, match=r"1 genes without an edge left out: alone"):
        table = load_edges(path)
    assert table.to_numpy().tolist() == [["tf one", "g 1", 1], ["tf one", "g2", 1]]


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        (
            "n.sif",
            "a binds b\n",
            r"line 1 of .*n\.sif has the relation 'binds', which says neither",
        ),
        ("n.sif", "a -> b\na -|\n", r"line 2 of .* has two words; .*cut short"),
        ("n.sif", "alone\n", r"holds no edge; write lines such as 'fnr activates narG'"),
        ("n.sif", "", r"n\.sif is empty \(0 bytes\); export it again"),
        ("n.csv", "", r"n\.csv is empty \(0 bytes\); export it again"),
        ("n.parquet", "", r"n\.parquet is empty \(0 bytes\)"),
        ("n.csv", "source,target,sign\n", r"holds no edge, only a header"),
        ("n.csv", "source,target,sign\na,b,1\na,c", r"breaks off in its last row \(2 rows\)"),
        ("n.csv", "source,target,sign\na,b,1\na,c,x\n", r"row 1 of .* has the relation 'x'"),
        ("n.xlsx", "PK", r"is a spreadsheet; save the sheet as CSV"),
        ("n.csv", "a,b\n1,2,3,4\n5,6,7,8,9\n", r"cannot be read as a table"),
        (
            "n.csv",
            "TF,Gene,Effect\na,b,1\n",
            r"lacks the columns source, target, sign \(it has TF, Gene, Effect\); rename yours, "
            r"e\.g\. frame\.rename\(columns=\{'TF': 'source', 'Gene': 'target', 'Effect': 'sign'\}",
        ),
        ("n.csv", "source,target,xyz\na,b,1\n", r"lacks the column sign .*'your_column': 'sign'"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, name: str, text: str, answer: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=answer):
        load_edges(tmp_path / name)


def test_the_renaming_shown_mends_the_table() -> None:
    frame = _frame().rename(columns={"source": "tf", "sign": "effect"})
    with pytest.raises(ValueError, match=r"frame\.rename") as caught:
        network_columns(frame, "mine")
    shown = str(caught.value).split("e.g. ")[1].removesuffix(".")
    mended = eval(shown, {"frame": frame})
    pd.testing.assert_frame_equal(network_columns(mended, "mine"), _frame())


def test_a_truncated_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "net.parquet"
    _frame().to_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cannot be read as a table .* is it whole\?"):
        load_edges(path)


def test_decoupler_frames_bring_more_columns() -> None:
    frame = _frame("mor").assign(confidence="A", likelihood=1.0)
    table = network_columns(frame, "dorothea")
    assert list(table.columns) == ["source", "target", "weight", "confidence", "likelihood"]
