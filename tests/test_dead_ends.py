"""Whatever happens to a file, the commands mend it or say what to type, and that mends it.

Each file that the pipeline leaves is deleted, cut short, and given another time; the
commands that need it are typed, and whatever an error says to type, word by word.
"""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests import tiny
from tests.data.csv_files import write_zip
from tests.kaggle.server import running_server
from tests.test_makefile import QUICK, REPOSITORY, Checkout, make_checkout
from tests.warm import warm_python

A, B, BOTH = (*QUICK, "RUN=A"), (*QUICK, "SEED=3", "RUN=B"), ("RUN=both", "DEVICE=cpu")
SUBMISSION, REPORT, AUDIT = ("submission", *A), ("report", *A), ("audit", "DEVICE=cpu")
SUBMIT = ("submit", *A, "FORCE=1")
OF_BOTH = [("report", *BOTH), ("submission", *BOTH)]

NEEDED_BY: dict[str, list[Sequence[str]]] = {
    "input/digit-recognizer/.lock": [SUBMISSION],
    "input/digit-recognizer/digits.npz": [SUBMISSION],
    "input/digit-recognizer/folds.csv": [SUBMISSION, AUDIT],
    "input/digit-recognizer/manifest.json": [SUBMISSION],
    "input/digit-recognizer/neighbours.npz": [AUDIT],
    "input/digit-recognizer/sample_submission.csv": [SUBMISSION],
    "input/digit-recognizer/test.csv": [SUBMISSION],
    "input/digit-recognizer/train.csv": [SUBMISSION],
    "runs/.recipes/*.json": [SUBMISSION],
    "runs/A/.lock": [SUBMISSION],
    "runs/A/config.toml": [REPORT, SUBMISSION],
    "runs/A/fold0/facts.json": [REPORT],
    "runs/A/fold0/history.csv": [REPORT, SUBMISSION],
    "runs/A/fold0/last.pt": [("train", *A, "EPOCHS=2", "RUN=longer"), SUBMISSION],
    "runs/A/fold0/model.safetensors": [REPORT, SUBMISSION],
    "runs/A/fold0/oof.npz": [REPORT, SUBMISSION],
    "runs/A/oof.npz": [("compare", "A=A", "B=B"), SUBMISSION],
    "runs/A/report.html": [REPORT],
    "runs/A/test.npz": [SUBMIT, SUBMISSION],
    "runs/B/fold0/model.safetensors": OF_BOTH,
    "runs/B/oof.npz": [OF_BOTH[1]],
    "runs/B/test.npz": [OF_BOTH[1]],
    "runs/audit-digit-recognizer.png": [AUDIT],
    "runs/both/.lock": [OF_BOTH[1]],
    "runs/both/ensemble.toml": OF_BOTH,
    "runs/both/oof.npz": [OF_BOTH[1]],
    "runs/both/test.npz": [OF_BOTH[1]],
    "submissions/A.csv": [SUBMIT, SUBMISSION],
    "submissions/A.json": [("leaderboard",), SUBMIT],
    "submissions/both.csv": [("submit", *BOTH)],
}
"""The commands that need each file, in the order in which they are tried."""

LIKE_A = ("runs/B/", "submissions/B.csv")
"""Files that are to one run what others above are to another."""

HARMS: dict[str, Callable[[Path], object]] = {
    "deleted": lambda file: file.unlink(),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
}


LEFT = ("input", "runs", "submissions")
"""The folders of what the pipeline leaves."""


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with two runs, their mean, a submission, an audit and a report; a copy of each."""
    root = tmp_path_factory.mktemp("whole") / "checkout"
    checkout = make_checkout(root)
    # The competition of this checkout is the tests' own, so that `make data` may get it again.
    sizes = root / "pipeline" / "competitions" / "digit-recognizer.toml"
    sizes.write_text(f"num_train = {tiny.NUM_TRAIN}\nnum_test = {tiny.NUM_TEST}\n")
    with (
        tempfile.TemporaryDirectory() as folder,
        warm_python(root, Path(folder, "socket")),
        running_server(archive=archive(root / "downloads")) as kaggle,
    ):
        environment = kaggle.environment(root / "home")
        for command in (
            *(SUBMISSION, ("submission", *B), ("ensemble", "RUNS=A B", "RUN=both", "DEVICE=cpu")),
            *(("submission", *BOTH), AUDIT, REPORT, ("submit", *A)),
        ):
            checkout.make(*command, environment=environment)
        for name in LEFT:
            shutil.copytree(root / name, root / "whole" / name)
        yield root


@pytest.fixture
def whole(_finished: Path) -> Checkout:
    """That checkout, with all files as they were."""
    for name in LEFT:
        shutil.rmtree(_finished / name)
        shutil.copytree(_finished / "whole" / name, _finished / name)
    return Checkout(_finished)


def archive(folder: Path) -> bytes:
    """What the tests' Kaggle serves."""
    tiny.write_downloads(folder)
    content = write_zip(folder.with_suffix(".zip"), folder).read_bytes()
    folder.with_suffix(".zip").unlink()
    shutil.rmtree(folder)
    return content


class Person:
    """Types a command and, word by word, what its errors say to type."""

    def __init__(self, checkout: Checkout, environment: dict[str, str]) -> None:
        self.checkout, self.environment = checkout, environment
        self.typed: list[str] = []

    def type(self, command: Sequence[str], depth: int = 0) -> None:
        """Type until it succeeds, or goes round in a circle."""
        for _ in range(3):
            self.typed.append(" ".join(["make", *command]))
            text, ok = self.checkout.try_make(*command, environment=self.environment)
            if ok:
                return
            (error,) = re.findall(r"^error: (.*)", text, re.M)
            assert depth < 3, f"round and round: {self.typed} ends in: {error}"
            if "delete it" in error:
                file = error.split()[0]
                self.typed.append(f"rm {file}")
                (self.checkout.root / file).unlink()
            if advice := re.search(r"`make ([^`]+)`( with (?:its|the))?", error):
                own, with_knobs = shlex.split(advice[1]), bool(advice[2])
                given = {knob.partition("=")[0] for knob in own}
                knobs = [k for k in command[1:] if k.partition("=")[0] not in given]
                if 'with its RUNS="…"' in error:
                    knobs.append("RUNS=A B")  # what was averaged, the person knows
                self.type([*own, *(knobs if with_knobs else ())], depth + 1)
            else:
                assert "delete it" in error, f"no way out of {self.typed}: {error}"
        raise AssertionError(f"no way out of {self.typed}: {error}")


def files(root: Path) -> set[str]:
    """All of input/, runs/ and submissions/, below a checkout."""
    paths = (path for folder in LEFT for path in (root / folder).rglob("*"))
    return {str(path.relative_to(root)) for path in paths if path.is_file()}


def find(root: Path, name: str) -> Path:
    """The only file of that name, or pattern, below a checkout."""
    (file,) = root.glob(name)
    return file


def test_every_file_is_tried(whole):
    tried = {str(find(whole.root, name).relative_to(whole.root)) for name in NEEDED_BY}
    assert {name for name in files(whole.root) - tried if not name.startswith(LIKE_A)} == set()


@pytest.mark.parametrize("name", NEEDED_BY)
@pytest.mark.parametrize(
    "harm",
    [each if each == "deleted" else pytest.param(each, marks=pytest.mark.slow) for each in HARMS],
)
def test_a_harmed_file_is_mended_by_what_the_errors_say(whole, tmp_path, name, harm):
    file = find(whole.root, name)
    file.chmod(0o644)
    HARMS[harm](file)
    with running_server(archive=archive(tmp_path / "downloads")) as kaggle:
        person = Person(whole, kaggle.environment(tmp_path / "home"))
        for command in NEEDED_BY[name]:
            person.type(command)
        for command in (SUBMISSION, ("submission", *BOTH)):
            assert "Nothing to be done" in whole.make(*command), person.typed


@pytest.mark.parametrize(
    "name", ["all", *(pytest.param(each, marks=pytest.mark.slow) for each in NEEDED_BY)]
)
@pytest.mark.parametrize("time_ns", [10**18, 2 * 10**18], ids=["older", "newer"])
def test_another_time_needs_no_advice(whole, name, time_ns):
    for each in files(whole.root) if name == "all" else [name]:
        os.utime(find(whole.root, each), ns=(time_ns, time_ns))
    if name == "all":
        whole.make(*REPORT)
        whole.make(*AUDIT)
    text = whole.make(*SUBMISSION)
    assert "in input/digit-recognizer already" in text or "Nothing to be done" in text
    assert "epoch" not in text and "predicted" not in text and "folds" not in text
    if name == "all":
        assert "Nothing to be done" in whole.make(*SUBMISSION), "the times of now are noted"


def test_every_command_that_is_named_anywhere_exists():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split())
    knobs = set(re.findall(r"^([A-Z_]+) =", makefile, re.M))
    code = "".join(path.read_text() for path in (REPOSITORY / "pipeline").rglob("*.py"))
    named = re.findall(r"`make (\w+)([^`]*)", code)
    named += re.findall(r'(?:to_type|make_command)\(\s*"(\w+)"([^)]*)', code)
    assert len(named) > 50
    assert {target for target, _ in named} - targets == set()
    assert {name for _, rest in named for name in re.findall(r"([A-Z_]+)=", rest)} - knobs == set()
