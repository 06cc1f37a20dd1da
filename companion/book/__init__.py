"""Notebooks and the book: run one, or build all pages, for one edition of the data."""

from companion.book.editions import Edition, Page, checkout, editions, load_edition, workspace
from companion.book.notebooks import BookError, notebooks, parameters_of, run_notebook
from companion.book.pages import build_book
from companion.book.sync import sync_notebooks

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
