"""The audit of runs: whatever could make an accuracy or a score false is found, by name."""

import shutil

import numpy as np
import pytest

from pipeline.commands import audit
from pipeline.console import Silent
from pipeline.errors import UserError
from pipeline.judging.auditor import Audit
from pipeline.judging.checks import check_plausible, findings
from pipeline.runs.probs import Probs, load_probs, save_probs
from pipeline.runs.results import join_out_of_fold
from pipeline.runs.scoring import Accuracy
from pipeline.runs.workspace import Workspace
from pipeline.training.run import train_run as train
from tests import tiny
from tests.disk import write_ensemble, write_run, write_run_on_all_data


def found(workspace: Workspace, run: str) -> list[str]:
    return findings(Audit(tiny.COMPETITION, workspace).check_run(run))


def change_rows(workspace: Workspace, run: str, change) -> None:
    """Change which rows fold 0 is scored on, and join the folds anew."""
    paths = workspace.run(run)
    oof = load_probs(paths.fold(0).oof)
    rows = change(oof.ids)
    probs = np.resize(oof.probs, (len(rows), 10))
    save_probs(paths.fold(0).oof, Probs(rows, probs, oof.made_from))
    save_probs(paths.oof, join_out_of_fold(paths))


@pytest.mark.parametrize("settings", [{}, {"trained": (0, 1)}, {"trained": (1,), "valid": 0.2}])
def test_an_honest_run_passes(tiny_workspace, settings):
    write_run(tiny_workspace, "run", **settings)
    checks = Audit(tiny.COMPETITION, tiny_workspace).check_run("run")
    assert findings(checks) == []
    subjects = ["validation rows", "files", "accuracy", "submission"]
    assert [check.subject for check in checks] == subjects


def test_a_run_on_all_data_claims_nothing_and_passes(tiny_workspace):
    write_run_on_all_data(tiny_workspace, "all")
    checks = Audit(tiny.COMPETITION, tiny_workspace).check_run("all")
    assert findings(checks) == []
    assert checks[0].text == "none, so no accuracy is claimed"
    change_rows_of_all_data(tiny_workspace, "all")
    (text,) = found(tiny_workspace, "all")
    assert "20 of the 20 rows that score the training on all data were trained on" in text


def change_rows_of_all_data(workspace: Workspace, run: str) -> None:
    """Score a training on all data on rows that it was trained on."""
    paths = workspace.run(run)
    (fold,) = paths.finished_folds()
    mark = load_probs(paths.fold(fold).oof).made_from
    probs = np.eye(10, dtype=np.float32)[np.arange(20) % 10]
    save_probs(paths.fold(fold).oof, Probs(np.arange(20), probs, mark))
    save_probs(paths.oof, join_out_of_fold(paths))


def test_rows_that_were_trained_on_are_found(tiny_workspace):
    write_run(tiny_workspace, "run")
    own = load_probs(tiny_workspace.run("run").oof).ids
    seen = np.setdiff1d(np.arange(tiny.NUM_TRAIN), own)[:3]
    change_rows(tiny_workspace, "run", lambda rows: np.concatenate([rows, seen]))
    (text,) = found(tiny_workspace, "run")
    assert (
        f"3 of the 23 rows that score fold 0 were trained on (the first is row {seen[0]})" in text
    )


def test_rows_left_out_of_the_score_are_found(tiny_workspace):
    write_run(tiny_workspace, "run")
    change_rows(tiny_workspace, "run", lambda rows: rows[2:])
    (text,) = found(tiny_workspace, "run")
    assert "2 of the 20 rows that fold 0 held out are left out of its score" in text


def test_files_of_other_trainings_are_found(tiny_workspace):
    write_run(tiny_workspace, "run", trained=(0, 1))
    write_run(tiny_workspace, "other", seed=1)
    run, other = tiny_workspace.run("run"), tiny_workspace.run("other")
    kept = run.folder.with_name("kept")
    shutil.copytree(run.folder, kept)
    for source, target, said in (
        (other.fold(0).weights, run.fold(0).weights, "of different trainings lie together"),
        (other.fold(0).oof, run.fold(0).oof, "of different trainings lie together"),
        (other.oof, run.oof, "oof.npz is not what its folds say"),
        (other.test_probs, run.test_probs, "test.npz is not what its networks predict"),
    ):
        shutil.copy(source, target)
        assert said in "\n".join(found(tiny_workspace, "run")), target
        shutil.rmtree(run.folder)
        shutil.copytree(kept, run.folder)
        assert found(tiny_workspace, "run") == []


def test_an_improved_out_of_fold_file_is_found(tiny_workspace):
    write_run(tiny_workspace, "run", wrong=5)
    paths = tiny_workspace.run("run")
    oof = load_probs(paths.oof)
    better = np.roll(oof.probs, -1, axis=1)
    save_probs(paths.oof, Probs(oof.ids, better, oof.made_from))
    assert found(tiny_workspace, "run") == ["files: oof.npz is not what its folds say"]


def test_a_submission_of_something_else_is_found(tiny_workspace):
    write_run(tiny_workspace, "run")
    csv_file = tiny_workspace.submission("run")
    csv_file.write_text(csv_file.read_text().replace("\n7,6\n", "\n7,0\n"))
    assert found(tiny_workspace, "run") == ["submission: 1 of 30 predictions are not the run's own"]
    tiny_workspace.run("run").test_probs.unlink()
    assert "but not the test.npz it should come from" in found(tiny_workspace, "run")[0]
    csv_file.unlink()  # not predicted yet
    assert found(tiny_workspace, "run") == []


def test_other_digits_and_other_folds_are_found(tiny_workspace):
    write_run(tiny_workspace, "run")
    config = tiny_workspace.run("run").config
    text = config.read_text()
    config.write_text(text.replace('digits_sha256 = "', 'digits_sha256 = "0'))
    assert "trained on other digits" in found(tiny_workspace, "run")[0]
    config.write_text(text.replace('folds_sha256 = "', 'folds_sha256 = "0'))
    assert "trained by another folds.csv" in found(tiny_workspace, "run")[0]


def test_an_ensemble_is_as_honest_as_its_members(tiny_workspace):
    for seed in (0, 1):
        write_run(tiny_workspace, f"seed{seed}", seed=seed)
    write_ensemble(tiny_workspace, "both", "seed0", "seed1")
    assert found(tiny_workspace, "both") == []
    change_rows(
        tiny_workspace, "seed1", lambda rows: np.append(rows, np.setxor1d(rows, [0, 1])[:1])
    )
    texts = found(tiny_workspace, "both")
    assert any(text.startswith("member: seed1: validation rows: ") for text in texts)
    assert "member: seed1 is not as it was when it was averaged; run make predict" in texts
    assert "ensemble: its out-of-fold probabilities are of other images than its members'" in texts


def test_an_ensemble_that_is_not_the_mean_is_found(tiny_workspace):
    for seed in (0, 1):
        write_run(tiny_workspace, f"seed{seed}", seed=seed, wrong=seed)
    write_ensemble(tiny_workspace, "both", "seed0", "seed1")
    paths = tiny_workspace.run("both")
    save_probs(paths.oof, load_probs(tiny_workspace.run("seed0").oof))
    text = "ensemble: its out-of-fold probabilities are not the mean of its members'"
    assert found(tiny_workspace, "both") == [text]


@pytest.mark.parametrize(
    ("correct", "total", "passed"),
    [
        (4_184, 4_200, True),
        (4_195, 4_200, True),  # 0.9988, but by luck: the interval begins at 0.9972
        (4_200, 4_200, False),
        (41_874, 42_000, True),  # 0.9970
        (41_960, 42_000, False),
        (400, 400, True),  # practice
    ],
)
def test_an_accuracy_beyond_the_labels_own_is_found(correct, total, passed):
    assert check_plausible(Accuracy(correct, total), 0.9985).passed is passed
    assert check_plausible(Accuracy(correct, total), None).passed


def test_the_stage_looks_at_everything_and_ends_in_an_error(tiny_workspace):
    train(tiny.spec(tiny_workspace, "good", epochs=1), tiny_workspace, Silent())
    write_run(tiny_workspace, "bad")
    change_rows(tiny_workspace, "bad", lambda rows: rows[1:])
    tiny_workspace.run("hurt").folder.mkdir()
    tiny_workspace.run("hurt").config.write_text("=")
    reporter = tiny.Lines()
    with pytest.raises(
        UserError, match="the audit found 1 thing that makes an accuracy or a score"
    ):
        audit.Audit(device="cpu")(tiny_workspace, reporter)
    assert reporter.advanced == tiny.NUM_TRAIN + tiny.NUM_TEST
    assert "run hurt is damaged: " in reporter.text
    assert sum(line.startswith("  FOUND") for line in reporter.lines) == 1
    picture = tiny_workspace.audit_picture(tiny.COMPETITION).read_bytes()
    assert picture.startswith(b"\x89PNG")

    again = tiny.Lines()
    audit.Audit(run="good", device="cpu")(tiny_workspace, again)
    assert again.lines[-1] == "nothing found"
    assert "run bad" not in again.text
    assert again.advanced == 0, "the nearest images are searched for once"
