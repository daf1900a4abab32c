"""`python -m pipeline`: the list of commands, and what is said of one that is not there."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import COMMANDS

REPOSITORY = Path(__file__).parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


@pytest.mark.parametrize("asked", [(), ("--help",), ("-h",)])
def test_it_lists_every_command_with_what_it_does(asked):
    listed = run(*asked)
    assert (listed.returncode, listed.stderr) == (0, "")
    shown = dict(line.split(maxsplit=1) for line in listed.stdout.splitlines()[2:])
    assert list(shown) == list(COMMANDS)
    assert shown["try"].startswith("does a change help? ")


def test_a_command_that_is_not_there_is_named_with_those_that_are():
    refused = run("frain")
    assert (refused.returncode, refused.stdout) == (2, "")
    known = ", ".join(COMMANDS)
    assert refused.stderr == f"error: there is no command 'frain'; choose one of: {known}.\n"


def test_each_has_its_own_help():
    shown = run("try", "--help").stdout
    assert "usage: python -m pipeline try" in shown
    assert "--seeds" in shown and "--augment" in shown


@pytest.mark.parametrize("word", ["0", "no", "1"])
def test_a_flag_takes_no_word_that_could_be_taken_for_yes(word):
    refused = run("runs", f"--csv={word}")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"Unrecognized options: {word}" in refused.stderr
