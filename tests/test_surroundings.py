"""What the surroundings lack, a character, an open output, a home, ends no command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PIPELINE = f"'{sys.executable}' -m pipeline"


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
    )
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PYTHONIOENCODING": "latin-1"}, "RUN='1->2 ... ü ² × 3' cannot name a run"),
        ({"PYTHONIOENCODING": "ascii"}, "RUN='1->2 ... u? 2 x 3' cannot name a run"),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "cannot name a run"),
    ],
)
def test_a_character_that_the_output_does_not_have(tmp_path, environment, said):
    refused = shell(f"{PIPELINE} plan --run '1→2 … ü ² × 3'", tmp_path, **environment)
    assert said in refused.stderr.decode("latin-1")
    assert (refused.returncode, refused.stdout) == (1, b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_an_output_that_is_closed(tmp_path, closed):
    done = shell(f"{PIPELINE} runs {closed}", tmp_path)
    said = b"no run yet; `make train` makes one.\n" if closed == "2>&-" else b""
    assert (done.returncode, done.stdout, done.stderr) == (0, said, b"")


@pytest.mark.parametrize("command", [["settings"], ["runs", "--csv"], ["--help"]])
def test_an_output_that_nobody_reads_any_more(tmp_path, command):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_user_without_a_home(tmp_path):
    code = """
import os, pathlib, pwd, sys
del os.environ["HOME"]
def nobody(number): raise KeyError(number)
pwd.getpwuid = nobody
import pipeline.__main__ as m
print(m.main(), pathlib.Path.home())
"""
    done = shell(f"'{sys.executable}' -c '{code}' runs", tmp_path)
    assert re.search(rb"\n0 /\S+home-\w+\n$", done.stdout), done
    assert not Path(done.stdout.split()[-1].decode()).exists()


def test_another_users_home_that_is_not_there(tmp_path):
    refused = shell(f"{PIPELINE} data --zip '~nosuchuser/x.zip'", tmp_path)
    assert refused.stderr.startswith(b"error: ZIP=~nosuchuser/x.zip does not exist")
