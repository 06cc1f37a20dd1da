"""Notebooks and the book: run one, or build all pages, for one edition of the data."""

from aligned.book.editions import Edition, Page, checkout, editions, load_edition, workspace
from aligned.book.notebooks import BookError, notebooks, parameters_of, run_notebook
from aligned.book.pages import build_book
from aligned.book.sync import sync_notebooks

__all__ = [
    "BookError",
    "Edition",
    "Page",
    "build_book",
    "checkout",
    "editions",
    "load_edition",
    "notebooks",
    "parameters_of",
    "run_notebook",
    "sync_notebooks",
    "workspace",
]
