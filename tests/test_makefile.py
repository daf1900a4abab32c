"""The front door: `make` in a copy of the checkout, with the tests' own environment."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.runs.workspace import Workspace
from tests import tiny
from tests.comparison.runs import write_run
from tests.data.csv_files import write_zip
from tests.kaggle.server import running_server

REPOSITORY = Path(__file__).parents[1]
QUICK = ("EPOCHS=1", "AUGMENT=none", "DEVICE=cpu", "SET=num_workers=0 batch_size=32 ema=0")


class Checkout:
    """A copy of the repository with the synthetic competition's data in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace(root)

    def make(
        self, *arguments: str, ok: bool = True, environment: dict[str, str] | None = None
    ) -> str:
        text, succeeded = self.try_make(*arguments, environment=environment)
        assert succeeded is ok, text
        return text

    def try_make(
        self, *arguments: str, environment: dict[str, str] | None = None
    ) -> tuple[str, bool]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "KAGGLE_")) and not name.lower().endswith("_proxy")
        }
        done = subprocess.run(
            ["make", *arguments],
            cwd=self.root,
            env=inherited | {"OMP_NUM_THREADS": "1"} | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=300,  # a loaded machine takes minutes to import torch a few times
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout, done.returncode == 0

    def runs(self) -> set[str]:
        return {p.name for p in (self.root / "runs").glob("*") if not p.name.startswith(".")}


def make_checkout(root: Path) -> Checkout:
    """Put a copy of the repository around a workspace."""
    for name in ("pipeline", ".ci"):
        shutil.copytree(
            REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy2(REPOSITORY / name, root / name)
    bin_folder = root / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    # The package that runs is the copy in the current folder, not the installed one.
    (bin_folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (bin_folder / "python").chmod(0o755)
    (root / ".venv" / "ready.mk").write_text("ENVIRONMENT_READY := yes\n")
    return Checkout(root)


@pytest.fixture
def checkout(tiny_workspace) -> Checkout:
    """Data and folds are there, nothing is trained."""
    return make_checkout(tiny_workspace.root)


@pytest.fixture
def told(checkout) -> Checkout:
    """A checkout whose python prints, as JSON, what it was told, and plans to get the data."""
    python, script = checkout.root / ".venv" / "bin" / "python", checkout.root / "told.py"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{script}' \"$@\"\n")
    script.write_text(
        "import json, pathlib, sys\n"
        "told = json.dumps(sys.argv[3:])\n"
        "if sys.argv[3] == 'plan':\n"
        "    pathlib.Path('plan.json').write_text(told)\n"
        "    told = 'practice data'\n"
        "print(told)\n"
    )
    return checkout


@pytest.fixture(scope="session")
def _submitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tiny.prepare(tmp_path_factory.mktemp("submitted")).root
    checkout = make_checkout(root)
    text = checkout.make("submission", *QUICK)
    assert "epoch 1/1" in text
    assert "predicted by 1 network" in text
    return root


@pytest.fixture
def submitted(_submitted: Path, tmp_path: Path) -> Checkout:
    """`make submission` with the knobs of `QUICK` was just done."""
    return Checkout(shutil.copytree(_submitted, tmp_path / "checkout"))


def test_help_lists_every_target_and_every_knob_with_its_default(checkout):
    text = checkout.make()
    assert text == checkout.make("help")
    makefile = (checkout.root / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()
    for target in set(phony) - {"always"}:
        assert re.search(rf"^  make {target} +\S", text, re.M), target
    knobs = re.findall(r"^([A-Z_]+) =(?! --)", makefile, re.M)
    listed = {name for name in knobs if re.search(rf"^  {name} +\S", text, re.M)}
    assert listed == set(knobs)
    accepted = re.search(r"^KNOB_NAMES := (.*?[^\\])$", makefile, re.M | re.S)[1]
    assert set(accepted.replace("\\", "").split()) == set(knobs)
    assert {"COMPETITION", "PRESET", "AUGMENT", "SEED", "FOLDS", "RUNS", "SET", "ZIP"} <= listed
    assert "[digit-recognizer]" in text
    assert max(map(len, text.splitlines())) <= 100


def test_submission_redoes_only_what_is_stale(submitted, tmp_path):
    (run,) = submitted.runs()
    submission = submitted.workspace.submission(run)
    weights = submitted.workspace.run(run).fold(0).weights
    trained, predicted = weights.stat().st_mtime_ns, submission.stat().st_mtime_ns

    # It is asked for often, and so loads no heavy library: whichever it loads fails here.
    for library in ("torch", "albumentations", "cv2", "pandas", "sklearn"):
        (tmp_path / f"{library}.py").write_text("raise ImportError(__name__)")
    without = {"PYTHONPATH": str(tmp_path)}
    assert "Nothing to be done" in submitted.make("submission", *QUICK, environment=without)

    # Times say "look", content says "nothing to do".
    submission.unlink()
    os.utime(submitted.workspace.input(tiny.COMPETITION).folds)
    again = submitted.make("submission", *QUICK)
    assert again.splitlines() == [
        f"{run}: 30 test images predicted by 1 network → submissions/{run}.csv"
    ]
    assert weights.stat().st_mtime_ns == trained
    assert submission.stat().st_mtime_ns > predicted
    assert "Nothing to be done" in submitted.make("submission", *QUICK)


def test_an_edited_recipe_is_trained_and_the_old_run_is_kept(submitted):
    old = submitted.runs()
    recipes = submitted.root / "pipeline" / "augment" / "recipes.py"
    text = recipes.read_text()

    recipes.write_text(text + "\n\n# a remark\n")
    assert "Nothing to be done" in submitted.make("train", *QUICK), "it means the same"

    recipes.write_text(text.replace("A.Compose([])", "A.Compose([A.HorizontalFlip(p=0.5)])"))
    assert "epoch 1/1" in submitted.make("train", *QUICK)
    assert len(submitted.runs()) == 2
    assert old < submitted.runs()

    recipes.write_text(text.replace("A.Compose([])", "A.Compose([A.Afine()])"))
    refused = submitted.make("train", *QUICK, ok=False)
    fault = r"error: recipe 'none' \(pipeline/augment/recipes.py, line \d+\): .*Afine"
    assert re.search(fault, refused)


@pytest.mark.slow
def test_a_changed_knob_is_another_run_unless_the_name_is_given(submitted):
    (run,) = submitted.runs()
    assert "epoch 1/1" in submitted.make("train", *QUICK, "SEED=3")
    assert len(submitted.runs()) == 2

    refused = submitted.make("train", *QUICK, f"RUN={run}", "SEED=4", ok=False)
    assert f"run {run} was made with other settings or data: seed 0 → 4" in refused
    assert "Nothing to be done" in submitted.make("train", *QUICK, f"RUN={run}")
    assert "epoch 1/1" in submitted.make("train", *QUICK, f"RUN={run}", "SEED=4", "FORCE=1")


@pytest.mark.slow
def test_more_folds_are_trained_beside_the_first(submitted):
    text = submitted.make("-j4", "submission", *QUICK, "FOLDS=0,1")
    assert "fold 0: finished before" in text
    assert "predicted by 2 networks" in text
    assert "Nothing to be done" in submitted.make("-j4", "submission", *QUICK, "FOLDS=0,1")


@pytest.mark.slow
def test_cv_trains_every_fold_and_predicts(checkout):
    text = checkout.make("cv", *QUICK, "VALID=0.5")
    assert "2 folds, out of fold: accuracy" in text
    assert "predicted by 2 networks" in text
    assert "Nothing to be done" in checkout.make("submission", *QUICK, "VALID=0.5", "FOLDS=all")


def test_fold_is_another_name_of_folds(checkout):
    listed = checkout.make("settings", *QUICK, "FOLD=all-data")
    assert re.search(r"^folds +all-data ", listed, re.M)
    refused = checkout.make("train", *QUICK, "FOLD=0", "FOLDS=1", ok=False)
    assert "FOLD and FOLDS are the same knob" in refused


@pytest.mark.slow
def test_an_ensemble_is_submitted_by_its_name_alone(submitted, tmp_path):
    submitted.make("train", *QUICK, "SEED=3")
    submitted.make("ensemble", f"RUNS={' '.join(submitted.runs())}", "RUN=both", "DEVICE=cpu")
    assert "Nothing to be done" in submitted.make("submission", "RUN=both")
    submitted.workspace.submission("both").unlink()
    with running_server() as server:
        kaggle = server.environment(tmp_path / "home")
        text = submitted.make("submit", "RUN=both", "DEVICE=cpu", environment=kaggle)
    assert "both: 30 test images predicted by 2 runs" in text
    assert "score       0.99642" in text
    receipt = json.loads(submitted.workspace.receipt("both").read_text())
    assert receipt["message"].startswith("mean of 2 runs | run both | validation ")
    assert set(receipt["members"]) == submitted.runs() - {"both"}
    assert (receipt["folds"], receipt["valid_total"]) == ([], 20)


@pytest.mark.slow
def test_a_finished_run_is_named_by_its_name_alone(submitted):
    (run,) = submitted.runs()
    assert "Nothing to be done" in submitted.make("submission", f"RUN={run}")
    submitted.workspace.submission(run).unlink()
    assert "predicted by 1 network" in submitted.make("predict", f"RUN={run}", "DEVICE=cpu")
    refused = submitted.make("predict", f"RUN={run}", "COMPETITION=practice", ok=False)
    assert f"run {run} belongs to COMPETITION=digit-recognizer" in refused
    recipes = submitted.root / "pipeline" / "augment" / "recipes.py"
    flipped = "A.Compose([A.HorizontalFlip(p=0.5)])"
    recipes.write_text(recipes.read_text().replace("A.Compose([])", flipped))
    refused = submitted.make("train", f"RUN={run}", ok=False)
    assert "the recipe 'none' was edited" in refused


def test_submit_uploads_by_the_real_command_and_waits_for_the_score(submitted, tmp_path):
    (run,) = submitted.runs()
    with running_server() as server:
        kaggle = server.environment(tmp_path / "home")
        text = submitted.make("submit", *QUICK, "MESSAGE=it's $1  (100 %)", environment=kaggle)
        assert "score       0.99642 (public leaderboard)" in text
        receipt = json.loads(submitted.workspace.receipt(run).read_text())
        assert receipt["message"].startswith(f"it's $1 (100 %) | run {run} | validation ")
        again = submitted.make("submit", *QUICK, ok=False, environment=kaggle)
        assert "was already submitted" in again
        assert server.count("CreateSubmission") == 1
        submitted.make("submit", *QUICK, "FORCE=1", environment=kaggle)
        assert server.count("CreateSubmission") == 2


def test_compare_takes_a_run_or_several_seeds_of_it(checkout):
    for seed in (0, 1):
        write_run(checkout.workspace, f"base-{seed}", seed=seed)
    write_run(checkout.workspace, "mine", epochs=4)
    text = checkout.make("compare", "A=base-0 base-1", "B=mine", "IMAGES=1")
    assert "cannot tell: A and B got equally many of 40 images right" in text
    assert checkout.workspace.changed_digits("base-0", "mine").exists()
    assert "name two sides" in checkout.make("compare", "A=base-0", ok=False)


def test_try_takes_the_knobs_and_no_nonsense(checkout):
    text = checkout.make("try", "PRESET=quick", "AUGMENT=strong", "SEEDS=0 1", ok=False)
    assert "there is nothing to try" in text


@pytest.mark.slow
def test_everything_from_the_download_on_in_parallel_make(checkout):
    shutil.rmtree(checkout.root / "input")
    downloads = tiny.write_downloads(checkout.root / "my downloads")
    text = checkout.make("-j4", "submission", *QUICK, f"ZIP={downloads}", "ANY_SIZE=1")
    assert text.index("checked in") < text.index("stratified folds") < text.index("epoch 1/1")
    assert (checkout.root / "input/digit-recognizer/train.csv").exists()


@pytest.mark.slow
def test_a_failed_stage_leaves_nothing_that_make_calls_up_to_date(submitted):
    (run,) = submitted.runs()
    submission = submitted.workspace.submission(run)
    submission.unlink()
    train = submitted.workspace.input(tiny.COMPETITION).train
    whole = train.read_bytes()
    train.chmod(0o644)
    train.write_bytes(whole[:-20])
    for _ in range(2):
        refused = submitted.make("submission", *QUICK, ok=False)
        assert "train.csv, line 201 is too short" in refused
        assert not submission.exists()
    train.write_bytes(whole)
    assert "predicted by" in submitted.make("submission", *QUICK)


def test_clean_spares_what_cannot_be_made_again(submitted):
    (run,) = submitted.runs()
    receipt = submitted.workspace.receipt(run)
    receipt.write_text(json.dumps({}))
    submitted.make("clean")
    assert not (submitted.root / "runs").exists()
    inputs = submitted.workspace.input(tiny.COMPETITION)
    assert inputs.train.exists()
    assert not inputs.digits.exists()
    assert receipt.exists()
    assert submitted.workspace.submission(run).exists()
    assert (submitted.root / ".venv").exists()
    submitted.make("distclean")
    assert not (submitted.root / ".venv").exists()
    assert inputs.train.exists()


NASTY = (
    "my  digits (1).zip",
    "a $1 $$ $(shell touch hacked) ${HOME} $",
    "costs $(",
    'it\'s "so", \\ and \\\\ and `touch hacked`',
    "#1 : = := ; | & * ? % ~ ! ^ <x> \\",
    "two\nlines\n\nthat $1 is",
    "-x --force",
    "ein Ä, ein → und ein \udcff",
)


@pytest.mark.parametrize("value", NASTY)
def test_what_is_typed_reaches_the_command_untouched(told, value):
    knobs = (f"ZIP={value}", "FORCE=yes", "COMPETITION=practice")
    options = ["--competition=practice", f"--zip={value}", "--force"]
    assert json.loads(told.make("data", *knobs)) == ["data", *options]
    with (told.root / "Makefile").open("a") as makefile:  # as `make demo` does
        makefile.write("again:\n\t@$(MAKE) --no-print-directory data\n")
    assert json.loads(told.make("again", *knobs)) == ["data", *options]
    words = " ".join(value.split())
    assert json.loads(told.make("compare", f"A={value}")) == ["compare", f"--a={words}"]
    told.make("submit", f"SET={value}", f"RUN={value}")
    planned = json.loads((told.root / "plan.json").read_text())
    assert planned == ["plan", f"--set={words}", f"--run={words}"]
    assert not (told.root / "hacked").exists()


def test_a_zip_of_any_name_is_read(checkout):
    shutil.rmtree(checkout.root / "input")
    source = tiny.write_downloads(checkout.root / "downloads")
    name = 'my  digits $1 #(it\'s "1").zip'
    write_zip(checkout.root / name, source)
    text = checkout.make("data", f"ZIP={name}", "ANY_SIZE=true", "FORCE=0")
    assert f"read from {name} and checked" in text
    refused = checkout.make("data", "ZIP=downloads", "ANY_SIZE=no", "FORCE=1", ok=False)
    assert "train.csv has 200 rows, but digit-recognizer has 42,000" in refused


@pytest.mark.parametrize("word", ["0", "no", "false", "", " 0 ", "1", "yes", "true"])
def test_a_switch_is_off_where_its_word_says_so(told, word):
    on = word in ("1", "yes", "true")
    options = json.loads(told.make("data", f"FORCE={word}", f"ANY_SIZE={word}", "ZIP=x"))
    assert ("--force" in options, "--any-size" in options) == (on, on)
    assert ("--images" in told.make("compare", f"IMAGES={word}")) is on
    assert ("--csv" in told.make("runs", f"CSV={word}")) is on
    assert ("--slow" in told.make("-n", "test", f"SLOW={word}")) is on


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        (["PRESET=nope"], "PRESET='nope' is not known"),
        (["AUGMENT=nope"], "AUGMENT='nope' is not known"),
        (["EPOCHS=0"], "setting epochs = '0'"),
        (["SET=epochs=3", "EPOCHS=3"], "epochs is given twice"),
        (["EPOCH=3"], "there is no knob EPOCH; `make help` lists them"),
        (["RUN=a/../b"], "RUN='a/../b' cannot name a run"),
        (["RUN=it's; touch hacked"], "cannot name a run"),
        (["SET=model=`touch hacked`"], "SET has"),
        (["MODEL=$(touch hacked)"], "MODEL='$(touch hacked)' is not known"),
        (["MODEL=$(shell touch hacked)"], "MODEL='$(shell touch hacked)' is not known"),
        (["FORCE=maybe"], "FORCE=maybe is neither on (1, yes, true) nor off (0, no, false, empty)"),
        (["SLOW=1 0"], "SLOW=1 0 is neither on"),
    ],
)
def test_a_wrong_knob_ends_in_one_sentence(checkout, knobs, said):
    text = checkout.make("train", "DEVICE=cpu", *knobs, ok=False)
    assert said in text
    assert (
        len(re.findall(r"^error: |^Makefile:\d+: \*\*\* (?!stopped by the error)", text, re.M)) == 1
    )
    assert not (checkout.root / "hacked").exists()
    assert not checkout.runs()


def test_an_old_python_is_refused_before_anything_is_made(checkout):
    shutil.rmtree(checkout.root / ".venv")
    old = checkout.root / "python2"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    text = checkout.make("train", f"PYTHON={old}", ok=False)
    assert "error: Python 3.11 or later is needed" in text
    assert not (checkout.root / ".venv").exists()
