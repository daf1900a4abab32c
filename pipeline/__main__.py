"""The command line: `python -m pipeline <command>`. The Makefile calls it with the same knobs."""

import ast
import errno
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pipeline.commands import COMMANDS
from pipeline.errors import UserError

_PROGRAM = "python -m pipeline"


def main() -> int:
    """Run the command typed, in the current folder; return the exit code."""
    try:
        # Imported here: Ctrl-C may come while the libraries are still being loaded.
        from pipeline.console import ConsoleReporter, make_do

        make_do()
        command = _read_command_line()
        if command is None:
            return 0
        from pipeline.runs.workspace import Workspace

        command(Workspace(Path()), ConsoleReporter())
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(
            "error: interrupted; the same command goes on from what is finished.", file=sys.stderr
        )
        return 130
    except BrokenPipeError:  # whoever read the output has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (UserError, OSError) as error:
        from pipeline.console import print_error

        print_error(_describe_os_error(error) if isinstance(error, OSError) else str(error))
        return 1
    return 0


def _read_command_line() -> Any:
    """Return the command typed, with its options; None if the list of commands was asked for.

    No secret that is around comes in by what was typed, and none goes out by what is said.

    Raises:
        SystemExit: The command or an option is not known.
    """
    import tyro

    from pipeline.kaggle.hiding import HidingStream, hide, known_secrets

    secrets = known_secrets()
    for stream_name in ("stdout", "stderr"):
        setattr(sys, stream_name, HidingStream(getattr(sys, stream_name), secrets))
    name, *options = [hide(argument, secrets) for argument in sys.argv[1:]] or ["--help"]
    if name in ("-h", "--help"):
        print(_list_commands())
        return None
    if name not in COMMANDS:
        from pipeline.console import print_error

        print_error(f"there is no command {name!r}; choose one of: {', '.join(COMMANDS)}.")
        sys.exit(2)
    module = importlib.import_module(f"pipeline.commands.{_module_of(name)}")
    return tyro.cli(
        getattr(module, name.capitalize()),
        prog=f"{_PROGRAM} {name}",
        args=options,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


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
    exit_code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done but Python's own end
    sys.exit(exit_code)
