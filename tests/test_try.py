"""`make try` through its stage: cheapest first, no longer than needed, nothing trained twice."""

import pytest

from pipeline.commands import knobs as knobs_module
from pipeline.commands import try_ as turn
from pipeline.commands.try_ import Try, pair_up, take_turn, try_change
from pipeline.console import ConsoleReporter, Silent
from pipeline.data.digits_cache import load_digits
from pipeline.data.files import read_record
from pipeline.errors import UserError
from pipeline.runs.records import RunConfig
from pipeline.runs.results import load_out_of_fold
from pipeline.runs.scoring import count_correct
from pipeline.runs.spec import specify_run
from pipeline.settings import fields as settings
from tests import tiny
from tests.comparison.runs import train_by, validated_rows, write_run


def baseline(workspace, **overrides):
    """A run with a name that follows from its settings."""
    spec = tiny.spec(workspace, **overrides)
    return specify_run("", spec.preset, spec.settings, spec.recipe)


def attempt(workspace, given, *, folds=(0, 1, 2), seeds=("0",), **overrides):
    base = baseline(workspace, **overrides)
    reporter = tiny.Lines()
    pairs = pair_up(base, given, base.recipe, seeds)
    return try_change(pairs, folds, workspace, reporter, knobs={"SET": "a=1 b=2"}), reporter


@pytest.fixture
def no_training(monkeypatch):
    """Trainings that take no time; how many images they get wrong follows from their epochs."""
    log = []
    mistakes = {3: 10, 4: 9, 5: 10, 6: 0, 16: 9}
    train = train_by(lambda spec: mistakes[spec.settings.epochs], log)
    monkeypatch.setattr(turn, "train_run", train)
    return log


def trained(log):
    """What was trained: epochs, seed and folds of each."""
    return [(s.settings.epochs, s.settings.seed, tuple(s.settings.fold_numbers)) for s in log]


def test_a_bad_change_is_found_after_one_fold_of_each_side(tiny_workspace):
    result, reporter = attempt(tiny_workspace, {"learning_rate": "1e-9"})
    assert result.comparison.difference.verdict == "worse"
    assert (result.end, result.num_trained, result.num_reused) == ("clear", 2, 0)
    assert result.comparison.difference.num_images == 20
    text = reporter.text
    assert text.startswith("trying learning_rate 0.002 → 1e-09: up to 3 folds and 1 seed of each")
    assert "baseline  seed 0  fold 0" in text
    assert "change    seed 0  fold 0" in text
    assert "epoch 1/3" not in text
    assert "worse: B got" in text
    assert "stopped        as soon as it was clear" in text
    assert "for 2 trainings\n" in text
    assert "next           make compare A=" in reporter.lines[-1]

    again, reporter = attempt(tiny_workspace, {"learning_rate": "1e-9"})
    assert (again.num_trained, again.num_reused) == (0, 2)
    assert "finished before" in reporter.text
    assert "; all trainings were there" in reporter.text


def test_the_change_is_trained_as_the_baseline_was(tiny_workspace):
    result, _ = attempt(
        tiny_workspace, {"epochs": "2", "num_workers": "0"}, seeds=("3",), folds=(1,)
    )
    configs = [
        read_record(tiny_workspace.run(side.runs[0]).config, RunConfig)
        for side in (result.comparison.a, result.comparison.b)
    ]
    assert [config.settings["seed"] for config in configs] == [3, 3]
    assert [config.settings["epochs"] for config in configs] == [3, 2]
    assert configs[0].recipe == configs[1].recipe
    assert all(tiny_workspace.run(c.run).finished_folds() == [1] for c in configs)


def test_folds_come_first_in_doubling_steps_then_seeds(tiny_workspace, no_training, monkeypatch):
    monkeypatch.setattr(turn, "FUTILE", 0.0)
    result, reporter = attempt(
        tiny_workspace, {"epochs": "4"}, folds=range(5), seeds=("0", "1", "2")
    )
    one, two, four, five = (0,), (0, 1), (0, 1, 2, 3), (0, 1, 2, 3, 4)
    steps = [(one, 0), (two, 0), (four, 0), (five, 0), (five, 1), (five, 2)]
    assert trained(no_training) == [
        (epochs, seed, folds) for folds, seed in steps for epochs in (3, 4)
    ]
    assert result.end == "spent"
    assert len(result.comparison.a.runs) == 3
    assert reporter.text.count("not clear yet") == 5
    assert 'make try SET="a=1 b=2" FOLDS=all' in reporter.lines[-1]


def test_each_line_counts_the_folds_it_names(tiny_workspace, no_training, monkeypatch):
    monkeypatch.setattr(turn, "FUTILE", 0.0)
    attempt(tiny_workspace, {"epochs": "4"}, folds=range(3))
    _, reporter = attempt(tiny_workspace, {"epochs": "4"}, folds=range(3))
    first, *_, last = [line for line in reporter.lines if line.startswith("baseline")]
    assert "fold 0  " in first and "/20, " in first
    assert "folds 0,1,2  " in last and "/60, " in last


def test_it_stops_as_soon_as_it_is_clear(tiny_workspace, no_training):
    result, reporter = attempt(tiny_workspace, {"epochs": "6"}, folds=range(5))
    assert result.end == "clear"
    assert [folds for _, _, folds in trained(no_training)] == [(0,), (0,)]
    assert result.comparison.difference.verdict == "better"
    assert f"make submit RUN={result.comparison.b.runs[0]}" in reporter.lines[-1]


def test_it_gives_up_where_little_can_be_hoped_for(tiny_workspace, no_training):
    result, reporter = attempt(tiny_workspace, {"epochs": "5"}, folds=range(5))
    assert result.end == "futile"
    assert result.chance < turn.FUTILE
    assert len(no_training) == 2
    assert "early: the rest of what was asked for would decide in" in reporter.text


def test_without_looks_on_the_way_all_is_trained(tiny_workspace, no_training):
    base = baseline(tiny_workspace)
    pairs = pair_up(base, {"epochs": "6"}, base.recipe, ["0", "1"])
    result = take_turn(pairs, range(3), tiny_workspace, tiny.Lines(), stop_early=False)
    assert result.comparison.difference.num_images == 60
    assert len(result.comparison.b.runs) == 2


def test_when_all_folds_are_spent_seeds_come_next(tiny_workspace, no_training, monkeypatch):
    monkeypatch.setattr(turn, "FUTILE", 0.0)
    result, reporter = attempt(tiny_workspace, {"epochs": "5"}, folds=range(10))
    assert result.end == "spent"
    assert reporter.lines[-1].endswith('make try SET="a=1 b=2" FOLDS=all SEEDS="0 1"')


def test_a_run_can_be_the_baseline_and_keeps_its_name(tiny_workspace):
    spec = tiny.spec(tiny_workspace, "mine")
    ((base, change),) = pair_up(spec, {"epochs": "1"}, spec.recipe, [])
    assert base == spec
    assert change.name != "mine"
    assert change.settings.epochs == 1
    _, (other_seed, _) = pair_up(spec, {"epochs": "1"}, spec.recipe, ["0", "1"])
    assert other_seed.name != "mine"
    assert other_seed.settings.seed == 1


def test_the_knobs_make_the_change_and_the_preset_or_a_run_the_baseline(
    tiny_workspace, no_training, monkeypatch, capsys
):
    monkeypatch.setattr(turn, "FUTILE", 0.0)
    knobs = {"set": "batch_size=16 num_workers=0", "device": "cpu", "folds": "0"}
    Try(preset="standard", epochs="4", **knobs)(tiny_workspace, ConsoleReporter())
    printed = capsys.readouterr().out
    assert "trying epochs 16 → 4; batch_size 64 → 16: up to 1 fold and 1 seed" in printed
    write_run(tiny_workspace, "mine", wrong=validated_rows(tiny_workspace, [0])[:9].tolist())
    no_training.clear()
    Try(base="mine", augment="affine", epochs="5", folds="0", seeds="0 1")(
        tiny_workspace, ConsoleReporter()
    )
    printed = capsys.readouterr().out
    assert "trying augment 'none' → 'affine'; epochs 3 → 5: up to 1 fold and 2 seeds" in printed
    assert trained(no_training) == [(3, 0, (0,)), (5, 0, (0,)), (3, 1, (0,)), (5, 1, (0,))]
    assert "A              mine " in printed
    assert 'make try AUGMENT=affine EPOCHS=5 SEEDS="0 1" BASE=mine FOLDS=all' in printed


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"epochs": "4", "seed": "1"}, "leave RUN and SEED out"),
        ({"epochs": "4", "run": "x"}, "leave RUN and SEED out"),
        ({"epochs": "4", "base": "x", "preset": "quick"}, "either PRESET or BASE"),
        ({"epochs": "4", "base": "nope"}, "there is no run nope"),
        ({"epochs": "4", "seeds": "1 1"}, "SEEDS has 1 twice"),
        ({"epochs": "4", "seeds": "x"}, "setting seed = 'x'"),
        ({"epochs": "4", "folds": "all-data"}, "leave all-data out"),
        ({"folds": "0,1", "valid": "0.2"}, r"there is nothing to try.*BASE=<run>"),
    ],
)
def test_knobs_that_make_no_sense_are_refused(tiny_workspace, knobs, said):
    with pytest.raises(UserError, match=said):
        Try(**knobs)(tiny_workspace, Silent())


@pytest.fixture
def ensemble(tiny_workspace, monkeypatch):
    """A preset "mine" of two members, the first of whom is trained; settings fit tiny data."""
    common = {**tiny.SETTINGS, "augment": "none", "epochs": 1}
    members = [settings.parse_settings(common | {"seed": seed}, "") for seed in (0, 1)]
    whole = members[0].model_copy(update={"folds": "all-data"})

    def given(preset, overrides):
        found = [m.model_copy(update={"folds": overrides.get("folds", "0")}) for m in members]
        return [*found, whole]

    monkeypatch.setattr(knobs_module, "resolve_members", given)
    return tiny_workspace


def try_member(workspace, **knobs):
    reporter = tiny.Lines()
    knobs = {"preset": "mine", "folds": "0", "augment": "affine"} | knobs
    Try(**knobs)(workspace, reporter)
    return reporter


def test_a_change_of_one_member_is_measured_alone_and_in_the_mean_of_all(ensemble):
    text = try_member(ensemble, member="1").text
    assert "the mean of all 2 members, with the change in place of one:" in text
    assert text.endswith("not all are trained; make train PRESET=mine FOLDS=0")
    text = try_member(ensemble, member="1", valid="0.1").text
    assert text.endswith("not all are trained; make train PRESET=mine VALID=0.1 FOLDS=0")

    try_member(ensemble, member="2")
    reporter = try_member(ensemble, member="1")
    assert "; all trainings were there" in reporter.text
    title = reporter.lines.index("\nthe mean of all 2 members, with the change in place of one:")
    alone, whole = reporter.lines[:title], reporter.lines[title + 1 :]
    assert any("changed        augment 'none' → 'affine'" in line for line in alone)
    assert any("changed        augment 'none' → 'affine'" in line for line in whole)

    runs = {
        (c.settings["augment"], c.settings["seed"]): load_out_of_fold(c.run, ensemble)
        for c in (read_record(each, RunConfig) for each in ensemble.root.glob("runs/*/config.toml"))
    }
    labels = load_digits(ensemble.input(tiny.COMPETITION)).train_labels
    for side, augment in (("A", "none"), ("B", "affine")):
        mean = (runs[augment, 0].probs + runs["none", 1].probs) / 2
        accuracy = count_correct(mean, labels[runs["none", 1].ids])
        assert any(line.startswith(side) and str(accuracy) in line for line in whole)


@pytest.mark.parametrize("member", ["", "3", "x"])
def test_a_member_that_is_none_is_refused(ensemble, member):
    with pytest.raises(UserError, match="no member of this preset; choose one: 1: dropout_cnn; 2:"):
        try_member(ensemble, member=member)
