"""The command line: `python -m pipeline <stage>`. The Makefile calls it with the same knobs."""

import errno
import os
from pathlib import Path
from typing import Annotated

import tyro

from pipeline.artifacts.paths import Workspace
from pipeline.commands.judge import Audit, Compare, Sweep, Try
from pipeline.commands.prepare import Data, Models, Preview, ShowSettings, Split
from pipeline.commands.show import Bench, Leaderboard, Report, Runs
from pipeline.commands.submit import Ensemble, Plan, Predict, Submit, Train
from pipeline.errors import UserError


def main() -> int:
    """Run the stage named on the command line, in the current folder; return the exit code."""
    from pipeline.console import print_error

    stage = tyro.cli(
        Data
        | Split
        | Annotated[ShowSettings, tyro.conf.subcommand("settings")]
        | Preview
        | Models
        | Train
        | Predict
        | Ensemble
        | Submit
        | Compare
        | Try
        | Sweep
        | Report
        | Leaderboard
        | Audit
        | Runs
        | Bench
        | Plan,
        prog="python -m pipeline",
        description=__doc__.splitlines()[0],
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    try:
        stage(Workspace(Path()))
    except UserError as error:
        print_error(str(error))
        return 1
    except OSError as error:
        print_error(_describe_os_error(error))
        return 1
    return 0


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
