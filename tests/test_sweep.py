"""`make sweep` through its stage: the trials, their memory, and the check on fresh ground."""

import contextlib
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.augment import registry
from pipeline.commands import sweep as job
from pipeline.commands import try_ as turn
from pipeline.commands.sweep import Sweep as Command
from pipeline.commands.sweep import best_of, run_sweep, search_and_check
from pipeline.console import ConsoleReporter, Silent
from pipeline.errors import UserError
from pipeline.judging.search import Search, build_space
from pipeline.judging.study import Study, Trial
from pipeline.report.runs_table import list_runs
from pipeline.runs.spec import specify_run
from tests import tiny
from tests.comparison.runs import train_by

NUM_TRIALS = 7


def alpha_of(spec) -> float:
    """The elastic recipe's first argument, as the run was given it."""
    _, elastic = registry.deserialise(spec.recipe).transforms
    return elastic.alpha


def searched(workspace, *, folds=(0, 1), augment="elastic", name="", **settings) -> Search:
    spec = tiny.spec(workspace, augment=augment, **settings)
    base = specify_run("", spec.preset, spec.settings, spec.recipe)
    declared = registry.recipe_ranges(augment)
    fixed = ("learning_rate", "weight_decay", "dropout")
    return Search(name, base, build_space(base.settings, declared, fixed), list(folds))


@pytest.fixture
def no_training(monkeypatch):
    """Trainings that take no time; a run errs the less, the nearer its alpha is to 60."""
    log = []
    train = train_by(lambda spec: round(abs(alpha_of(spec) - 60) / 4), log)
    monkeypatch.setattr(job, "train_run", train)
    monkeypatch.setattr(turn, "train_run", train)
    return log


def test_trials_lie_in_the_declared_ranges_and_are_scored_against_the_baseline(
    tiny_workspace, no_training
):
    plan = searched(tiny_workspace)
    reporter = tiny.Lines()
    trials = run_sweep(plan, 10, tiny_workspace, reporter)
    assert len(trials) == 10 == len(reporter.lines)
    assert trials[0] == Trial(plan.base.name, [30, 5, 0.7], 0.0, pruned=False)
    assert len({tuple(trial.values) for trial in trials}) == 10
    for trial in trials:
        alpha, sigma, p = trial.values
        assert isinstance(alpha, int)
        assert 0 <= alpha <= 80
        assert 3 <= sigma <= 8
        assert 0 <= p <= 1
        assert len(f"{sigma:g}") <= 4, "three digits"
        # The baseline errs on round(30 / 4), which is 8, of the 20 images of each fold.
        assert trial.gain == pytest.approx((8 - round(abs(alpha - 60) / 4)) / 20)
    assert "(the baseline)" in reporter.lines[0]
    assert f"{best_of(trials).gain:+.4f}  best so far" in reporter.text

    pruned = [trial for trial in trials if trial.pruned]
    assert pruned, "a trial below the median gets one fold only"
    assert not any(trial.pruned for trial in trials[:4])
    for trial in trials:
        paths = tiny_workspace.run(trial.run)
        assert [paths.fold(k).oof.exists() for k in (0, 1)] == [True, not trial.pruned]
    assert reporter.text.count("given up after one fold") == len(pruned)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_killed_sweep_goes_on_and_tries_what_it_would_have_tried(
    tiny_workspace, no_training, monkeypatch, batch
):
    def whole_sweep(**options):
        plan = replace(searched(tiny_workspace, **options), batch=batch)
        return run_sweep(plan, NUM_TRIALS, tiny_workspace, reporter)

    reporter = tiny.Lines()
    undisturbed = whole_sweep(name="undisturbed")
    train, calls = job.train_run, iter(range(1, 1_000))

    def train_until_killed(*arguments):
        if next(calls) in (1, 8):
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(job, "train_run", train_until_killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            whole_sweep()
    assert whole_sweep() == undisturbed
    assert whole_sweep() == undisturbed
    num_trials = {1: NUM_TRIALS, 3: 9}[batch]  # batches are finished
    assert reporter.lines[-1] == f"{num_trials} trials were finished before"
    assert len({tuple(trial.values) for trial in undisturbed}) == num_trials, "no two alike"
    other = run_sweep(searched(tiny_workspace, seed=1), 2, tiny_workspace, reporter)
    assert other[1].values != undisturbed[1].values, "another seed tries something else"


def test_the_winner_is_checked_under_another_seed_on_folds_of_no_trial(tiny_workspace, no_training):
    reporter = tiny.Lines()
    check = search_and_check(
        searched(tiny_workspace), NUM_TRIALS, tiny_workspace, reporter, knobs={}
    )
    checked = no_training[-2:]
    assert [spec.settings.seed for spec in checked] == [1, 1]
    assert [spec.settings.fold_numbers for spec in checked] == [[2, 3, 4, 5]] * 2
    assert alpha_of(checked[0]) == 30
    assert abs(alpha_of(checked[1]) - 60) < 20
    difference = check.comparison.difference
    assert difference.num_images == 80
    assert difference.verdict == "better"
    assert f"better: B got {difference.value * 80:.0f} more of 80 images right" in reporter.text
    assert "took nothing away" in reporter.text
    last = reporter.lines[-1]
    assert f"give elastic the defaults alpha={alpha_of(checked[1]):.0f}, sigma=" in last
    assert last.endswith("; then make submit")


def test_what_selection_added_is_told_in_numbers(tiny_workspace, monkeypatch, no_training):
    # Under the trials' seed the winner shines; under any other it is like the baseline.
    def mistakes(spec):
        lucky = spec.settings.seed == 0 and alpha_of(spec) != 30
        return 6 if lucky else 10

    for module in (job, turn):
        monkeypatch.setattr(module, "train_run", train_by(mistakes, []))
    reporter = tiny.Lines()
    knobs = {"PRESET": "quick", "AUGMENT": "elastic"}
    search_and_check(searched(tiny_workspace), 3, tiny_workspace, reporter, knobs=knobs)
    facts = {line[:15].strip(): line[15:] for line in reporter.lines}
    assert facts["chosen by"] == "+0.2000 on 40 images, the best of 3 trials"
    assert facts["on fresh ones"].startswith("+0.0000 on 80 images (95 % -0.")
    assert facts["selection"] == "+0.2000 of the +0.2000 was the luck of the chosen"
    assert "make try BASE=standard-elastic-s0-" in facts["next"]


def test_a_sweep_that_finds_nothing_says_so(tiny_workspace, monkeypatch, no_training):
    monkeypatch.setattr(job, "train_run", train_by(lambda spec: 4 + (alpha_of(spec) != 30), []))
    reporter = tiny.Lines()
    knobs = {"AUGMENT": "elastic"}
    assert (
        search_and_check(searched(tiny_workspace), 3, tiny_workspace, reporter, knobs=knobs) is None
    )
    assert reporter.lines[-2] == "no trial was better than the baseline, of 3"
    assert reporter.lines[-1].endswith("make sweep AUGMENT=elastic FOLDS=0,1 TRIALS=6")


def test_a_whole_sweep_by_its_command(tiny_workspace, capsys):
    knobs = {"set": "batch_size=16 num_workers=0", "epochs": "1", "model": "plain_cnn"}
    command = Command(augment="affine", folds="0", trials="2", device="cpu", **knobs)
    command(tiny_workspace, ConsoleReporter())
    printed = capsys.readouterr().out
    assert (
        "2 trials of rotate, zoom, shift, shear, learning_rate, weight_decay, dropout on fold 0"
        in printed
    )
    assert "trial 1/2  +0.0000  best so far  (the baseline)" in printed
    (folder,) = (tiny_workspace.root / "runs").glob("sweep-*")
    assert tiny_workspace.run(folder.name).sweep.exists()
    rows = list_runs(tiny_workspace)
    assert len(rows) in (2, 4), "the trials, and the check if there was a winner"
    assert not any(row.fault for row in rows)


def test_settings_that_were_given_stay(tiny_workspace):
    settings = tiny.spec(tiny_workspace, dropout=0.2).settings
    names = [each.name for each in build_space(settings, {}, ["learning_rate"])]
    assert names == ["weight_decay", "dropout"]
    rate, decay = build_space(settings.model_copy(update={"dropout": 0.0}), {}, [])
    assert rate.allowed == pytest.approx((settings.learning_rate / 3, settings.learning_rate * 3))
    assert decay.name == "weight_decay"


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"trials": "1"}, "TRIALS=1 must be a whole number from 2 on"),
        ({"trials": "many"}, "TRIALS=many must be"),
        ({"folds": "all-data"}, "leave all-data out"),
        ({"augment": "nope"}, "AUGMENT='nope' is not known"),
    ],
)
def test_knobs_that_make_no_sense_are_refused(tiny_workspace, knobs, said):
    with pytest.raises(UserError, match=said):
        Command(**knobs)(tiny_workspace, Silent())


def test_a_sweep_of_other_things_under_that_name_is_refused(tiny_workspace, no_training):
    run_sweep(searched(tiny_workspace, name="mine"), 2, tiny_workspace, tiny.Lines())
    other = searched(tiny_workspace, name="mine", epochs=9)
    with pytest.raises(UserError, match=r"sweep\.db is of a sweep of other settings"):
        run_sweep(other, 2, tiny_workspace, tiny.Lines())
    taken = searched(tiny_workspace, name=other.base.name)
    job.train_run(other.base, tiny_workspace, tiny.Lines())
    with pytest.raises(UserError, match="is a run; give the sweep another name"):
        run_sweep(taken, 2, tiny_workspace, tiny.Lines())


def test_a_damaged_memory_is_named(tiny_workspace, tmp_path):
    path = tmp_path / "sweep.db"
    path.write_bytes(b"half a database" * 100)
    with pytest.raises(UserError, match=r"sweep\.db is damaged"):
        Study(path, searched(tiny_workspace).space, 0, identity="")


def test_a_memory_that_another_program_uses_is_not_called_damaged(tiny_workspace, tmp_path):
    path, space = tmp_path / "sweep.db", searched(tiny_workspace).space
    study = Study(path, space, 0, identity="")
    trial = Trial("run", study.propose()[0], 0.0, pruned=False)
    before = path.read_bytes()
    uses = (
        lambda: Study(path, space, 0, identity=""),
        lambda: study.finish([trial]),
    )
    with contextlib.closing(sqlite3.connect(path)) as other, ThreadPoolExecutor() as at_once:
        other.execute("BEGIN EXCLUSIVE")
        for refused in [at_once.submit(use) for use in uses]:
            with pytest.raises(UserError, match=r"sweep\.db is in use by another program") as told:
                refused.result()
            assert "delete" not in str(told.value)
    assert path.read_bytes() == before
    study.finish([trial])
    assert [each.run for each in Study(path, space, 0, identity="").finished()] == ["run"]


def test_without_optuna_it_says_what_to_install(tiny_workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"needs optuna.*pip install 'optuna>=4'"):
        run_sweep(searched(tiny_workspace), 2, tiny_workspace, tiny.Lines())
