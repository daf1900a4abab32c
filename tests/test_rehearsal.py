"""Whatever a recipe is built from counts, and still `make` need not import albumentations."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.augment.rehearsal import check_it_repeats, rehearse
from pipeline.errors import UserError

PACKAGE = Path(__file__).parents[1] / "pipeline"

RECIPES = """
import json
import os
import random
import time
from pathlib import Path

import albumentations as A
import numpy as np
from albumentations.pytorch import ToTensorV2

from pipeline.augment.my_helper import ANGLE
from pipeline.augment.ranges import sweep_over


class Mine(A.ImageOnlyTransform):
    def apply(self, img, **params):
        return img


def of_its_own():
    return A.Compose([Mine()])


def from_a_helper() -> A.Compose:
    return A.Compose([A.Rotate(ANGLE)])


def from_a_helper_imported_late():
    from pipeline.augment import my_other_helper
    return A.Compose([A.Rotate(my_other_helper.ANGLE)])


def from_a_file():
    return A.Compose([A.Rotate(**json.loads(Path("angle.json").read_text()))])


def from_a_folder():
    return A.Compose([A.Rotate(len(os.listdir("angles")))])


def whether_there_is_a_file():
    return A.Compose([A.Rotate(5 if Path("large").exists() else 3)])


def from_the_environment():
    return A.Compose([A.Rotate(float(os.environ.get("ANGLE", 5)))])


@sweep_over(angle=(0, 9))
def taken_apart(angle: float = 5) -> A.Compose:
    turned = from_a_helper()
    assert len(turned) == 1
    return A.Compose([*turned.transforms, *turned, turned[0], A.OneOf([A.Affine(), A.NoOp()])])


def as_a_list():
    return A.Compose([A.CoarseDropout(hole_height_range=[3, 7])])


def as_a_tuple():
    return A.Compose([A.CoarseDropout(hole_height_range=(3, 7))])


def as_floats():
    return A.Compose([A.CoarseDropout(hole_height_range=(3.0, 7.0))])


def drawn():
    return A.Compose([A.Rotate(random.uniform(3, 9))])


def drawn_and_alike():
    return A.Compose([A.Rotate(5 + 0 * random.choice([1, 2]))])


def drawn_by_numpy():
    return A.Compose([A.Rotate(5 + 0 * int(np.random.randint(9)))])


def drawn_unseeded():
    return A.Compose([A.Rotate(float(np.random.default_rng().random()))])


def drawn_where_it_is_imported():
    from pipeline.augment import my_drawing_helper
    return A.Compose([A.Rotate(my_drawing_helper.ANGLE)])


def by_the_clock():
    return A.Compose([A.Rotate(time.time_ns() % 90)])


def in_no_order():
    steps = {"blur": A.Blur, "flip": A.HorizontalFlip, "invert": A.InvertImg, "gray": A.ToGray}
    steps |= {"noise": A.GaussNoise, "gamma": A.RandomGamma, "turn": A.Rotate}
    return A.Compose([steps[name]() for name in set(steps)])


def drawn_from_a_seed():
    np.random.seed(3)
    random.seed(3)
    return A.Compose([A.Rotate(random.uniform(3, 9) + np.random.random())])


def out_of_a_text():
    return A.from_dict(A.to_dict(A.Compose([A.Rotate(ANGLE)])))


def of_another_kind():
    turned = from_a_helper()
    turned.p = 0.5
    return turned


def _private():
    return A.Compose([A.Rotate(ANGLE)])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with a copy of the package whose recipes are those above."""
    shutil.copytree(PACKAGE, tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    augment = tmp_path / "pipeline" / "augment"
    (augment / "recipes.py").write_text(RECIPES)
    for name in ("my_helper", "my_other_helper"):
        (augment / f"{name}.py").write_text("ANGLE = 5\n")
    (augment / "my_drawing_helper.py").write_text("import random\nANGLE = random.choice([5] * 9)\n")
    (tmp_path / "angle.json").write_text('{"limit": 5}')
    (tmp_path / "angles").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit_helper(folder: Path) -> None:
    (folder / "pipeline/augment/my_helper.py").write_text("ANGLE = 25\n")


EDITS = {
    "from_a_helper": edit_helper,
    "from_a_helper_imported_late": lambda folder: (
        folder / "pipeline/augment/my_other_helper.py"
    ).write_text("ANGLE = 12\n"),
    "from_a_file": lambda folder: (folder / "angle.json").write_text('{"limit": 6}'),
    "from_a_folder": lambda folder: (folder / "angles" / "one").touch(),
    "whether_there_is_a_file": lambda folder: (folder / "large").touch(),
    "from_the_environment": lambda _: os.environ.update(ANGLE="7"),
    "taken_apart": edit_helper,
}


@pytest.mark.parametrize("name", EDITS)
def test_another_meaning_is_noticed_wherever_it_comes_from(folder, monkeypatch, name):
    monkeypatch.setenv("ANGLE", "5")
    first = rehearse(name)
    assert first
    assert rehearse(name) == first
    EDITS[name](folder)
    assert rehearse(name) not in (first, None, "")
    check_it_repeats(name)


def test_what_albumentations_tells_apart_is_told_apart(folder):
    names = ("as_a_list", "as_a_tuple", "as_floats")
    assert len({rehearse(name) for name in names}) == 3


@pytest.mark.parametrize(
    "name",
    [
        *("drawn", "drawn_and_alike", "drawn_by_numpy", "drawn_unseeded", "by_the_clock"),
        *("drawn_where_it_is_imported", "in_no_order"),
    ],
)
def test_a_recipe_that_is_another_each_time_is_refused(folder, name):
    with pytest.raises(UserError, match=f"recipe '{name}' is another each time it is built"):
        check_it_repeats(name)


def test_random_numbers_from_a_seed_of_its_own_are_no_chance(folder):
    check_it_repeats("drawn_from_a_seed")


@pytest.mark.parametrize(
    "name", ["of_its_own", "out_of_a_text", "of_another_kind", "_private", "json", "nope"]
)
def test_what_a_stand_in_cannot_answer_for_is_left_to_albumentations(folder, name):
    assert not rehearse(name)


def settings(name: str) -> tuple[str, bool]:
    """Return what `settings` says, and whether it imported albumentations."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pipeline", "settings", f"--augment={name}"],
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    return "\n".join([*done.stdout.splitlines(), *said]), "albumentations.core" in done.stderr


def test_a_run_is_named_after_all_that_its_recipe_is_built_from(folder):
    name, imported = settings("from_a_helper")
    assert imported
    assert settings("from_a_helper") == (name, False), "from what was kept"
    (folder / "pipeline/augment/recipes.py").write_text(RECIPES + "\n# a comment\n")
    assert settings("from_a_helper") == (name, False), "nothing that means anything was edited"
    edit_helper(folder)
    other, imported = settings("from_a_helper")
    assert imported
    assert other not in (name, "")
    assert "\nthe run of these: standard-from_a_helper-" in other


def test_what_cannot_be_kept_is_built_each_time(folder):
    name, _ = settings("out_of_a_text")
    assert settings("out_of_a_text") == (name, True)
    edit_helper(folder)
    assert settings("out_of_a_text")[0] not in (name, "")


def test_a_run_cannot_be_named_after_chance(folder):
    said, _ = settings("drawn")
    assert said.startswith("error: recipe 'drawn' is another each time it is built")
    assert settings("_private")[0].startswith("error: AUGMENT='_private' is not known")
