"""`make compare` through its stage: the pairing, the words, the picture, the refusals."""

import numpy as np
import pytest
from matplotlib.image import imread

from pipeline.commands.compare import Compare
from pipeline.data.files import read_record, write_record
from pipeline.errors import UserError
from pipeline.runs.records import EnsembleConfig, EnsembleMember, RunConfig
from tests import tiny
from tests.comparison.runs import validated_rows, write_run


@pytest.fixture
def rows(tiny_workspace) -> list[int]:
    """The rows of folds 0 and 1."""
    return validated_rows(tiny_workspace, [0, 1]).tolist()


def said(workspace, a, b, **options) -> dict[str, str]:
    """What is printed: the verdict, then each line by its name."""
    reporter = tiny.Lines()
    Compare(a=a, b=b, **options)(workspace, reporter)
    verdict, *facts = reporter.lines
    return {"verdict": verdict} | {line[:15].strip(): line[15:] for line in facts}


def test_a_clear_difference_is_called_better_or_worse(tiny_workspace, rows):
    write_run(tiny_workspace, "base", wrong=rows[:21], augment="none")
    write_run(tiny_workspace, "tweak", wrong=rows[20:22], augment="affine")
    text = said(tiny_workspace, "base", "tweak")
    assert text["verdict"] == "better: B got 19 more of 40 images right"
    assert text["changed"] == "augment 'none' → 'affine'"
    assert text["A"].startswith("base   0.4750 (19/40, 95 % 0.32")
    assert text["B"].startswith("tweak  0.9500 (38/40, 95 % 0.8")
    assert (text["only A right"], text["only B right"]) == ("1 image", "20 images")
    assert text["difference"].startswith("+0.4750 (95 % +0.28")
    assert text["leaderboard"].startswith("+0.4750 expected on 28,000 images (95 % +0.28")
    assert text["McNemar test"] == "p = less than 0.0001, if looked at once"
    assert "one seed each" in text["training luck"]
    assert "to settle it" not in text
    assert said(tiny_workspace, "tweak", "base")["verdict"].startswith("worse: B got 19 fewer")


def test_a_small_difference_is_not_believed_and_it_says_what_would_settle_it(tiny_workspace, rows):
    write_run(tiny_workspace, "base", wrong=rows[:6])
    write_run(tiny_workspace, "tweak", wrong=rows[5:6], epochs=4)
    text = said(tiny_workspace, "base", "tweak")
    assert text["verdict"] == (
        "cannot tell: B got 5 more of 40 images right; between equals, chance does that in 6 of "
        "100 comparisons"
    )
    assert text["changed"] == "epochs 3 → 4"
    assert text["McNemar test"] == "p = 0.062, if looked at once"
    assert text["to settle it"] == "about 40 more images: 2 more folds of both, at this difference"


def test_what_one_look_would_believe_is_not_yet_believed(tiny_workspace, rows):
    write_run(tiny_workspace, "base", wrong=rows[:8])
    write_run(tiny_workspace, "tweak", epochs=4)
    text = said(tiny_workspace, "base", "tweak")
    assert text["verdict"].startswith("cannot tell yet: B got 8 more of 40 images right; chance")
    assert text["difference"].startswith("+0.2000 (95 % +0.0")


def test_equals_need_no_more_images(tiny_workspace, rows):
    write_run(tiny_workspace, "base", wrong=rows[:2])
    write_run(tiny_workspace, "tweak", wrong=rows[2:4], seed=1)
    text = said(tiny_workspace, "base", "tweak")
    assert text["verdict"] == "cannot tell: A and B got equally many of 40 images right"
    assert text["changed"] == "nothing but the seed"
    assert text["to settle it"].startswith("no realistic number of images")


def test_only_rows_that_both_held_out_are_counted(tiny_workspace, rows):
    write_run(tiny_workspace, "base", wrong=rows[:1], folds=(0, 1, 2))
    first = validated_rows(tiny_workspace, [0]).tolist()
    write_run(tiny_workspace, "tweak", folds=(0,), epochs=4)
    text = said(tiny_workspace, "base", "tweak")
    assert text["A"].startswith(f"base   {1 - (rows[0] in first) / 20:.4f} (")
    assert "/20, 95 %" in text["A"]
    assert "/20, 95 %" in text["B"]


def test_several_seeds_are_averaged_and_their_luck_is_counted(tiny_workspace, rows):
    for seed in range(3):
        write_run(tiny_workspace, f"base-{seed}", wrong=rows[seed : 12 + 2 * seed], seed=seed)
        write_run(tiny_workspace, f"tweak-{seed}", wrong=rows[seed : seed + 2], seed=seed, epochs=4)
    text = said(tiny_workspace, "base-0 base-1 base-2", "tweak-0 tweak-1 tweak-2")
    assert text["verdict"] == "better: B got 11 more of 40 images right"
    assert text["A"].startswith("base-0   0.7000 (28/40")
    assert text["B"].startswith("tweak-0  0.9500 (38/40")
    assert "mean over the seeds" in text["only B right"]
    assert "t test" in text
    assert "for one network" in text["training luck"]
    mixed = said(tiny_workspace, "base-0 base-1 base-2", "tweak-0")
    assert "for one network" in mixed["training luck"], "three seeds of one side tell of it"


def test_the_picture_shows_the_digits_that_changed_sides(tiny_workspace, rows):
    write_run(tiny_workspace, "base", wrong=rows[:12])
    write_run(tiny_workspace, "tweak", wrong=rows[10:13], epochs=4)
    path = tiny_workspace.changed_digits("base", "tweak")
    assert "pictures" not in said(tiny_workspace, "base", "tweak")
    assert not path.exists()
    text = said(tiny_workspace, "base", "tweak", images=True)
    assert text["pictures"] == str(path.relative_to(tiny_workspace.root))
    both = imread(path)
    write_run(tiny_workspace, "same", wrong=rows[:12], epochs=5)
    said(tiny_workspace, "base", "same", images=True)
    none = imread(tiny_workspace.changed_digits("base", "same"))
    assert both.shape[1] == none.shape[1]
    assert both.shape[0] > none.shape[0] + 200, "two rows of digits and one"
    frames = [(0, 114, 178), (213, 94, 0)]
    for color in frames:
        drawn = (np.abs(both[..., :3] * 255 - color).max(axis=2) < 2).sum()
        assert drawn > 500, "both groups are there"


def refusal(workspace, a, b) -> str:
    with pytest.raises(UserError) as error:
        Compare(a=a, b=b)(workspace, tiny.Lines())
    assert "\n" not in str(error.value)
    return str(error.value)


def test_runs_that_cannot_be_compared_are_refused_by_name(tiny_workspace):
    write_run(tiny_workspace, "base")
    write_run(tiny_workspace, "again")
    write_run(tiny_workspace, "other-seed", seed=1)
    write_run(tiny_workspace, "longer", epochs=9, seed=1)
    write_run(tiny_workspace, "fold-2", folds=(2,))
    write_run(tiny_workspace, "other-folds", record={"folds_sha256": "0"})
    write_run(tiny_workspace, "other-data", record={"digits_sha256": "0"})
    write_run(tiny_workspace, "practice", competition="practice")
    write_run(tiny_workspace, "everything", folds=())
    write_run(tiny_workspace, "unfinished")
    tiny_workspace.run("unfinished").oof.unlink()
    expected = {
        ("base", ""): "name two sides",
        ("base", "base"): "run base is named twice",
        ("base", "nope"): "there is no run nope",
        ("base", "unfinished"): "run unfinished has no out-of-fold probabilities",
        (
            "base",
            "everything",
        ): "run everything was trained on all rows and so was validated on none",
        ("base", "practice"): "run base belongs to COMPETITION=digit-recognizer, run practice to",
        ("base", "other-data"): "runs base and other-data were trained on different data",
        ("base", "other-folds"): "runs base and other-folds were made with different folds.csv",
        ("base", "fold-2"): "no image was held out by all of these runs (base 40, fold-2 20 images",
        ("base longer", "other-seed"): "differ in more than the seed: epochs 3 → 9",
        ("base again", "other-seed"): "two of them have the same seed",
        ("other-data", ""): "name two sides",
    }
    for (a, b), message in expected.items():
        assert message in refusal(tiny_workspace, a, b), (a, b)


def test_the_data_that_lie_there_must_be_those_of_the_runs(tiny_workspace):
    write_run(tiny_workspace, "a", record={"digits_sha256": "0"})
    write_run(tiny_workspace, "b", record={"digits_sha256": "0"})
    assert "run a was trained on other data than" in refusal(tiny_workspace, "a", "b")
    write_run(tiny_workspace, "c", record={"folds_sha256": "0"})
    write_run(tiny_workspace, "d", record={"folds_sha256": "0"})
    assert "another folds.csv" in refusal(tiny_workspace, "c", "d")


def test_an_ensemble_is_compared_like_a_run(tiny_workspace, rows):
    write_run(tiny_workspace, "base", wrong=rows[:4])
    write_run(tiny_workspace, "both", wrong=rows[1:2])
    paths = tiny_workspace.run("both")
    config = read_record(paths.config, RunConfig)
    members = [
        EnsembleMember(run=name, fingerprint="", oof_sha256="", test_sha256="")
        for name in ("base", "other")
    ]
    record = EnsembleConfig(
        run="both",
        competition=config.competition,
        digits_sha256=config.digits_sha256,
        folds_sha256=config.folds_sha256,
        members=members,
    )
    write_record(paths.ensemble, record)
    paths.config.unlink()
    text = said(tiny_workspace, "base", "both")
    assert text["verdict"].startswith("cannot tell: B got 3 more of 40 images right")
    assert text["changed"] == "dropout_cnn, none → mean of 2 runs"
    write_run(tiny_workspace, "base-1", seed=1)
    refused = refusal(tiny_workspace, "base both", "base-1")
    assert "run both is an ensemble; it must be alone on its side" in refused


def test_a_damaged_file_is_named(tiny_workspace):
    write_run(tiny_workspace, "base")
    write_run(tiny_workspace, "tweak", epochs=4)
    tiny_workspace.run("tweak").oof.write_bytes(b"half a fi")
    assert "oof.npz is damaged" in refusal(tiny_workspace, "base", "tweak")
