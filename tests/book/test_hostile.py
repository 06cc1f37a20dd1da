"""A study from a stranger: whatever its names say, a report shows it and nothing runs."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from aligned.cli import main
from aligned.data.folder import write_gmt
from companion.book import report_pages
from companion.book.pages import toc_pages
from companion.book.study import example_tables, read_bundle, read_study
from companion.literal import markdown_text, prose, raw_html, styled

#: Names that would act, where a page obeys them; none has a blank, which ends a name in a table.
NAMES = [
    "<svg/onload=ran()>",
    "<script>ran()</script>",
    "</td></table><svg/onload=ran()>",
    "</title><svg/onload=ran()>",
    "\"'><svg/onload=ran()>",
    "![x](http://stranger.example/x.png)",
    "[x](javascript:ran())",
    "<http://stranger.example>",
    "{{{cycler.__init__.__globals__.os.getpid()}}}",
    "{%set-x=1%}{#no#}",
    "{eval}`1`",
    "```{raw}-html",
    "$\\frac$",
    "\\begin{equation}",
    "a|b|c",
    "&lt;b&gt;**bold**_it_",
]

#: How the study's title begins; more than half of it, as the search asks before it shows a title.
WORDS = "A study of our own with a long and plain name"


def _literal(markup: str) -> str:
    """The text of a page, if its only tags are a paragraph's."""
    assert re.sub(r"</?p>", "", markup).count("<") == 0, markup
    return re.sub(
        r"&(lt|gt|amp|quot|#39|#34);",
        lambda found: {"lt": "<", "gt": ">", "amp": "&", "#39": "'"}.get(found[1], '"'),
        re.sub(r"</?p>", "", markup).strip(),
    )


@pytest.mark.parametrize("name", [*NAMES, "# no heading", "- no\n\n    list", "1. no\t number"])
def test_a_name_is_text_in_every_form(name: str) -> None:
    once = " ".join(name.split())
    page = MarkdownIt("commonmark", {"html": True}).enable("table")
    assert _literal(page.render(markdown_text(name))) == once
    assert _literal(prose(markdown_text(name)).data) == once
    table = styled(pd.DataFrame({name: [name, 1.5]}), precision=1).to_html()
    assert not re.search(r"<(?!/?(style|table|thead|tbody|tr|th|td)\b)", table)
    assert table.count("ran()") == 2 * name.count("ran()")
    assert set(re.findall("<[a-z!]+", prose(f"*one* {name}").data)) <= {
        *("<p", "<em", "<strong", "<code", "<h", "<pre", "<ul", "<li", "<ol"),
    }


def test_html_cannot_end_its_own_block() -> None:
    page = "<p>a</p>\n```\n````\n{{ b }}"
    tokens = MarkdownIt().parse(raw_html(page))
    assert [(token.type, token.content) for token in tokens] == [("fence", f"{page}\n")]


def _study(folder: Path, marker: Path) -> Path:
    """The example of `aligned init`, every name of it hostile; returns the study's folder."""
    responses, edges = example_tables()
    genes = [name for name in responses.columns if name not in ("condition", "perturbation")]
    new = {gene: f"{NAMES[i % len(NAMES)]}{gene}" for i, gene in enumerate(genes)}
    sign = responses["perturbation"].str[-1]
    responses["perturbation"] = responses["perturbation"].str[:-1].map(new) + sign
    responses["condition"] = [
        f"{NAMES[i % len(NAMES)]} {label}" for i, label in enumerate(responses["condition"])
    ]
    folder.mkdir()
    data, network = (f"<img src=q onerror=ran()> {{{{x}}}}{end}" for end in (".csv", ".sif"))
    responses.rename(columns=new).to_csv(folder / data, index=False)
    lines = [
        f"{new[edge.source]}\t{'->' if edge.sign > 0 else '-|'}\t{new[edge.target]}"
        for edge in edges.itertuples()
    ]
    call = f"{{{{cycler.__init__.__globals__.os.mkdir('{marker}')}}}}"
    (folder / network).write_text("\n".join([*lines, f"{{{call}}}"]))
    sets = {f"{NAMES[i]} set {i}": [new[g] for g in genes[i : i + 8]] for i in range(len(NAMES))}
    write_gmt(sets, folder / "sets.gmt")
    settings = {
        "title": f"{WORDS} <img src=q onerror=ran()> </title> {{{{7*7}}}}",
        "data": data,
        "network": network,
        "gene_sets": "sets.gmt",
        "threshold": 1.0,
        "what": f"<svg/onload=ran()> {call}",
        "licence": "<script>ran()</script> ${'x'}$",
        "citation": "![x](http://stranger.example/x.png) | `a`",
        "notebooks": {
            "01_inconsistency": {
                "ks": [2],
                "rules": ["boolean"],
                "n_null": 9,
                "n_boot": 50,
                "network": f"<svg/onload=ran()> $\\frac$ {call}",
            },
            "03_ecoli_iterations": {
                "folds": 3,
                "n_seeds": 1,
                "n_networks": 1,
                "align_steps": 5,
                "jobs": 1,
                "splits": ["control_safe"],
                "heldout_share": 0.1,
            },
        },
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_the_card_and_the_first_page_hold_no_markup_of_the_studys(tmp_path: Path) -> None:
    study = read_study(_study(tmp_path / "mine", tmp_path / "marker"))
    bundle, notes = read_bundle(study)
    card = report_pages.card_page(study, bundle, [*notes, *NAMES])
    node = {"cells": [{"cell_type": "markdown", "source": "# A question?"}]}
    page = report_pages.welcome_page(study.title, bundle, [("01", node)])
    assert "getpid" in card
    assert "mkdir" in card
    assert "onerror" in page
    for text in (card, page):
        bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", text)
        assert not set("<{$") & set(bare)
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert {re.sub(r"\\.", "", row).count("|") for row in rows} == {3}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A report of a study with hostile names, and the folder that its code would have made."""
    place = tmp_path_factory.mktemp("hostile")
    study = _study(place / "mine", place / "marker")
    with pytest.raises(SystemExit) as caught:
        main(["report", str(study), "--device", "cpu"])
    assert not caught.value.code
    return study / "report", place / "marker"


def test_a_report_end_to_end_runs_nothing_of_the_studys(made: tuple[Path, Path]) -> None:
    report, marker = made
    assert not marker.exists()
    html = report / "html"
    page = (html / "notebooks" / "03_ecoli_iterations.html").read_text()
    assert "The claims" not in page
    assert str(report.parent) not in page
    assert "<svg" in page or ".svg" in page
    assert "Alignment</strong> changes" in (html / "welcome.html").read_text()
    assert "https://" not in "".join(
        re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)', page)
    )


@pytest.fixture(scope="module")
def address(made: tuple[Path, Path]) -> Iterator[str]:
    """The report as a server shows it: there the search can read pages, on a disk it cannot."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *said: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=made[0])) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_no_script_runs_and_every_name_is_read(
    browser: Any, made: tuple[Path, Path], address: str
) -> None:
    report, _ = made
    settings = yaml.safe_load((report.parent / "study.yaml").read_text())
    context = browser.new_context()
    context.add_init_script("window.ran = () => { window.times = (window.times || 0) + 1 }")
    tab = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    tab.on("pageerror", lambda error: faults.append(f"error: {error}"))
    tab.on("dialog", lambda dialog: (faults.append("a dialog"), dialog.dismiss()))
    shown = {}
    for page in [*toc_pages(report / "src" / "_toc.yml"), "genindex", "search"]:
        asks = f"?q={quote(WORDS)}" if page == "search" else ""
        tab.goto(f"{address}/html/{page}.html{asks}")
        if page == "search":
            tab.wait_for_selector("#search-results li a", timeout=20_000)
            tab.wait_for_load_state("networkidle")
        faults += [f"a script ran on {page}"] * tab.evaluate("window.times || 0")
        shown[page] = tab.inner_text("body")
        faults += [] if settings["title"] in tab.title() else [f"{page} is titled {tab.title()}"]
    tab.goto(f"{address}/index.html")
    tab.wait_for_url("**/welcome.html")
    context.close()

    own = (f"{address}/html/", f"{address}/index.html", "data:", "blob:")
    assert [url for url in asked if not url.startswith(own) or url.endswith("/q")] == []
    assert faults == []
    for key in ("title", "data", "network", "what", "licence", "citation"):
        assert settings[key] in shown["data_card"], key
    for page in ("welcome", "search"):
        assert settings["title"] in shown[page]
    first = shown["notebooks/01_inconsistency"]
    for page in ("welcome", "notebooks/01_inconsistency"):
        assert settings["notebooks"]["01_inconsistency"]["network"] in shown[page]
    table = pd.read_csv(report / "tables" / "01_inconsistency" / "regulators.csv")
    heard = table[table["consistent"] + table["conflicting"] > 0].head(10)
    assert len(heard) == 10
    assert [name for name in heard["name"] if name not in first] == []
