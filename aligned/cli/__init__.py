"""The command line: parses, calls, prints.

Exit codes: 0 done, 1 failed, 2 wrong usage, 128 and the signal's number where a signal stopped it
(130 after Ctrl-C). An error is one sentence on stderr that says how to mend it; the traceback
appears only with ``aligned --debug COMMAND``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points, version
from typing import Any

import typer

from aligned.cli import cells, data, model, network, scoring
from aligned.cli.output import (
    Device,
    absolute,
    check_file,
    say,
    write_table,
)
from aligned.cli.tables import print_table
from aligned.processes import stoppable

__all__ = [
    "Device",
    "absolute",
    "app",
    "check_file",
    "main",
    "print_table",
    "say",
    "write_table",
]

#: Entry points of this group are commands too: functions with a signature for typer.
COMMANDS = "aligned.commands"

app = typer.Typer(
    name="aligned",
    help="The ALIGNED paper as a library and a book.\n\n"
    "Example: aligned run 03_ecoli_iterations --edition ecoli -p seed=3",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"aligned {version('aligned-companion')}")
        raise typer.Exit


@app.callback()
def _everywhere(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    asked: bool = typer.Option(
        False, "--version", is_eager=True, callback=_version, help="Show the version."
    ),
) -> None:
    """Options of every command."""


model.add_to(app)
network.add_to(app)
scoring.add_to(app)
cells.add_to(data.app)
app.add_typer(data.app, name="data")


@cache
def command_line() -> Any:
    """The whole command line, with what other packages add to it."""
    for point in sorted(entry_points(group=COMMANDS), key=lambda point: point.name):
        app.command(point.name)(point.load())
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(words))


def _run(words: list[str]) -> int:
    command = command_line()
    debug = "--debug" in words  # wherever it stands
    words = [word for word in words if word != "--debug"]
    with stoppable() as signals:
        try:
            code = int(command.main(args=words, prog_name="aligned", standalone_mode=False) or 0)
        except (Exception, KeyboardInterrupt) as error:
            if debug:
                raise
            code = 0 if signals else _report(error)
    if signals:  # whatever the libraries below made of it
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # tells of tasks that were cut off
        return _say("stopped; nothing half-written was kept.", 128 + signals[0])
    return code


def _report(error: BaseException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":  # bare `aligned`: the help is the message
        print(error, file=sys.stderr)
        return 2
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        return _say("stopped.", 1)
    if hasattr(error, "format_message"):  # click's and typer's own: usage, bad option, abort
        hint = "`aligned --help` lists what there is, `aligned COMMAND --help` shows an example."
        return _say(f"{error.format_message()} {hint}", int(getattr(error, "exit_code", 1)))
    if isinstance(error, (ValueError, TypeError, FileExistsError)):  # what the caller gave is wrong
        return _say(str(error), 2)
    if isinstance(error, (RuntimeError, OSError)):
        return _say(str(error), 1)
    kind = type(error).__name__
    return _say(f"unexpected {kind}: {error}; run again with --debug to see where.", 1)


def _say(message: str, code: int) -> int:
    print(f"aligned: {' '.join(message.split())}", file=sys.stderr)
    return code
