"""The command line: `python -m pipeline <command>`. The Makefile calls it with the same knobs."""

import ast
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands import COMMANDS

_PROGRAM = "python -m pipeline"


def main() -> int:
    """Run the command typed, in the current folder; return the exit code.

    No secret that is around comes in by what was typed, and none goes out by what is said.
    """
    try:
        from pipeline.kaggle.hiding import HidingStream, hide, known_secrets

        secrets = known_secrets()
        for name in ("stdout", "stderr"):
            if stream := getattr(sys, name):  # None if it was closed by who started us
                setattr(sys, name, HidingStream(stream, secrets))
        return run([hide(argument, secrets) for argument in sys.argv[1:]])
    except KeyboardInterrupt:
        print(
            "error: interrupted; the same command goes on from what is finished.", file=sys.stderr
        )
        return 130


def run(arguments: Sequence[str]) -> int:
    """Run one command, the file of that name in `commands/`; return the exit code.

    Args:
        arguments: The command's name and its options.
    """
    name, options = (arguments[0], arguments[1:]) if arguments else ("--help", ())
    if name in ("-h", "--help"):
        print(_list_commands())
        return 0
    # Imported here: Ctrl-C may come while the libraries are still being loaded.
    import tyro

    from pipeline.console import ConsoleReporter, print_error
    from pipeline.errors import UserError
    from pipeline.runs.workspace import Workspace

    if name not in COMMANDS:
        print_error(f"there is no command {name!r}; choose one of: {', '.join(COMMANDS)}.")
        return 2
    module = importlib.import_module(f"pipeline.commands.{_module_of(name)}")
    command = tyro.cli(
        getattr(module, name.capitalize()),
        prog=f"{_PROGRAM} {name}",
        args=options,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    try:
        command(Workspace(Path()), ConsoleReporter())
    except UserError as error:
        print_error(str(error))
        return 1
    except OSError as error:
        print_error(_describe_os_error(error))
        return 1
    return 0


def _module_of(name: str) -> str:
    return "try_" if name == "try" else name  # a word of Python's own


def _list_commands() -> str:
    """Every command with the first line of its docstring, read without importing it."""
    lines = [f"usage: {_PROGRAM} <command> [--help] [options]", ""]
    for name in COMMANDS:
        file = Path(__file__).with_name("commands") / f"{_module_of(name)}.py"
        described = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        lines.append(f"  {name:12} {described.splitlines()[0].partition(': ')[2]}")
    return "\n".join(lines)


def _describe_os_error(error: OSError) -> str:
    """A full disk, a read-only folder and their like, in one sentence."""
    if error.errno is None:
        raise error
    place = f" ({error.filename})" if error.filename else ""
    advice = {
        errno.ENOSPC: "free some space and run the same command again",
        errno.EDQUOT: "free some space and run the same command again",
        errno.EACCES: "check the permissions of the folder",
        errno.EROFS: "the folder is read-only; work in one that can be written",
    }.get(error.errno, "mend it and run the same command again")
    return f"{os.strerror(error.errno)}{place}: {advice}. What was finished before is kept."


if __name__ == "__main__":
    sys.exit(main())
