r"""Text of strangers in pages: shown as it was written, never obeyed.

Names come from files that a reader may have been sent: genes, conditions, gene sets, titles. Every
page, table and sentence that shows one is made with a function of this module.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML
    from pandas.io.formats.style import Styler

__all__ = ["markdown_text", "prose", "raw_html", "styled", "worded"]

_MARKS = re.compile(f"([{re.escape(string.punctuation)}])")


def markdown_text(text: object) -> str:
    r"""Text as Markdown that renders to just this text, on one line.

    Every ASCII punctuation mark gets a backslash, which Markdown lets stand for the mark itself;
    so no mark-up, table, role, formula or template is left for any reader of the page.

    Parameters
    ----------
    text : object
        A name, title or sentence of the reader's.

    Examples
    --------
    >>> print(markdown_text("<b>{{x}}|$1$"))
    \<b\>\{\{x\}\}\|\$1\$
    """
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))


def prose(text: str) -> HTML:
    """Sentences of ours (Markdown) with names of the reader's in them, for a notebook to show.

    Emphasis, code, lists and tables work; HTML is shown as text, and there are neither links nor
    images, so nothing can run or be fetched.

    Parameters
    ----------
    text : str
        Markdown.

    Examples
    --------
    >>> print(prose("**Two** of <script>").data.strip())
    <p><strong>Two</strong> of &lt;script&gt;</p>
    """
    from IPython.display import HTML
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    return HTML(reader.disable(["autolink", "image", "link", "reference"]).render(text))


def raw_html(page: str) -> str:
    """A block of finished HTML for a Markdown page, behind a fence that the HTML cannot end.

    Parameters
    ----------
    page : str
        HTML of ours, such as `prose` makes.

    Examples
    --------
    >>> print(raw_html("<p>Yes.</p>"))
    ```{raw} html
    <p>Yes.</p>
    ```
    """
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", page))])
    return f"{fence}{{raw}} html\n{page}\n{fence}"


def styled(
    table: pd.DataFrame,
    formats: Mapping[Any, str | Callable[[object], str]] | None = None,
    **how: Any,
) -> Styler:
    """A table for a notebook to show, without its index: cells and headers as text, not as HTML.

    Parameters
    ----------
    table : DataFrame
        Values of any kind.
    formats : dict, optional
        Format per column, as `pandas.io.formats.style.Styler.format` takes it.
    **how
        ``precision`` and ``na_rep``, as the same method takes them.

    Examples
    --------
    >>> import pandas as pd
    >>> "<i>" in styled(pd.DataFrame({"<i>": ["<i>"]})).to_html()
    False
    """
    shown = table.style.format(formats, escape="html", **how)
    return shown.format_index(axis=1, escape="html").hide(axis="index")


def worded(table: pd.DataFrame, columns: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Chosen columns under names for a reader, their numbers as text; nothing where one is unknown.

    Parameters
    ----------
    table : DataFrame
    columns : dict
        Column -> its name, and how it is written, as `str.format` takes it; empty: as it is.

    Examples
    --------
    >>> import pandas as pd
    >>> worded(pd.DataFrame({"p": [0.25, None]}), {"p": ("share", "{:.0%}")})["share"].tolist()
    ['25%', '']
    """
    shown = table[list(columns)].reset_index(drop=True)
    for column, (_, form) in columns.items():
        if form:
            known = shown[column].notna()
            shown[column] = shown[column].map(form.format).where(known, "")
    return shown.set_axis([name for name, _ in columns.values()], axis=1)
