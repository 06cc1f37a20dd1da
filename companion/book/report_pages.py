"""The two pages of a report that are no notebook: welcome, and the card of the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from aligned.data import Bundle, guess_kind, perturbed_genes
from companion.book.study import Study
from companion.literal import markdown_text, raw_html

__all__ = ["card_page", "welcome_page"]

_ABOUT = """# {title}

This report looks at {conditions} conditions and {genes} measured genes together with a network of
{edges} edges, and asks the questions of the ALIGNED companion book of **these** data: how far do
data and network agree, does a model that knows both predict held-out perturbations better than
simple rules, and which edges would the data have changed? Start with the
[data card](data_card.md); every word is explained in the [glossary](book/glossary.md).

"""


def welcome_page(title: str, bundle: Bundle, notebooks: list[tuple[str, dict[str, Any]]]) -> str:
    """The first page: what the report is about, and the answer of every analysis."""
    page = _ABOUT.format(
        title=markdown_text(title),
        conditions=bundle.data.n_obs,
        genes=bundle.data.n_vars,
        edges=f"{bundle.kb.n_edges:,}",
    )
    for name, node in notebooks:
        page += f"## [{_heading(node) or name}](notebooks/{name}.ipynb)\n\n"
        answer = _answer(node)
        page += f"{raw_html(answer)}\n\n" if answer else ""
    return page


def card_page(study: Study, bundle: Bundle, notes: list[str]) -> str:
    """The data card: what was read, how much of it meets the network, what was noticed."""
    data, kb = bundle.data, bundle.kb
    observed = np.asarray(data.layers["observed"], dtype=bool)
    changed = np.asarray(data.X)[observed]
    edges = kb.to_edges()
    everywhere = np.asarray(data.uns["genes"]).astype(str)
    perturbed = set(everywhere[np.unique(np.concatenate(perturbed_genes(data)))])
    targets = set(edges["target"])
    ids = guess_kind(data.var_names)[0]
    rule = "as given: −1, 0, 1"
    if "logfc" in data.layers:
        rule = "from fold changes"
        rule += "" if study.threshold is None else f", |log fold change| ≥ {study.threshold:g}"
    rows = [
        ("What", study.what or "responses and network of your own"),
        ("Files", ", ".join(path.name for path in study.files())),
        ("Licence", study.licence),
        ("Citation", study.citation or "none given"),
        ("Conditions", data.n_obs),
        ("Perturbed genes", len(perturbed)),
        ("Measured genes", data.n_vars),
        ("Gene ids", ids if ids.startswith("of") else f"look like {ids}"),
        ("Responses", rule),
        ("Cells measured", f"{observed.mean():.1%}"),
        ("Down, of measured", f"{np.mean(changed == -1):.1%}"),
        ("Up, of measured", f"{np.mean(changed == 1):.1%}"),
        (
            "Edges of the network",
            f"{kb.n_edges:,}, of them {int((edges['sign'] > 0).sum()):,} activations",
        ),
        (
            "Regulators",
            f"{len(set(edges['source'])):,}, of them "
            f"{len(set(edges['source']) & perturbed)} perturbed",
        ),
        ("Targets", f"{len(targets):,}, of them {len(targets & set(data.var_names)):,} measured"),
        ("Perturbed genes that are no regulator", len(perturbed - set(edges["source"]))),
        ("Gene sets", len(bundle.gene_sets)),
        ("Yardstick", f"paths of up to {study.yardstick['k']}, {study.yardstick['rule']}"),
    ]
    body = "".join(f"| {name} | {markdown_text(value)} |\n" for name, value in rows)
    noticed = (
        "".join(f"- {markdown_text(line)}\n" for line in notes) or "- nothing out of the ordinary\n"
    )
    return (
        f"# Data card\n\n| | |\n| --- | --- |\n{body}\n"
        "A condition whose perturbed gene is no regulator gets no help from the network; a target "
        "that is not measured cannot be checked.\n\n"
        f"## What was noticed\n\n{noticed}"
    )


def _heading(node: dict[str, Any]) -> str:
    """The first heading of a notebook."""
    for cell in node["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and text.startswith("# "):
            return text.split("\n", 1)[0].removeprefix("# ").strip()
    return ""


def _answer(node: dict[str, Any]) -> str:
    """The answer that a notebook glued, as HTML; empty where there is none."""
    for cell in node["cells"]:
        for output in cell.get("outputs", []):
            if output.get("metadata", {}).get("scrapbook", {}).get("name", "").startswith("answer"):
                found = [
                    value for mime, value in output["data"].items() if mime.endswith("text/html")
                ]
                return "".join(found[0]).strip() if found else ""
    return ""
