"""The practice competition in colour: made offline, in CIFAR-10's format, the same each time."""

import numpy as np
import pytest

from pipeline.commands.data import Data
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_digits
from pipeline.data.drawings import CLASSES, draw_pictures
from pipeline.errors import UserError
from pipeline.kaggle.grader import grade

COLOUR = get_competition("practice-colour")


def test_made_as_cifar_10_is_served(workspace, lines):
    Data(competition="practice-colour")(workspace, lines)
    inputs = workspace.input(COLOUR)
    digits = load_digits(inputs)
    solution = [row.split(",") for row in inputs.solution.read_text().splitlines()[1:]]
    classes = [COLOUR.class_names.index(name) for _, name in solution]
    assert np.bincount(digits.train_labels).tolist() == [400] * 8
    assert np.bincount(classes).tolist() == [100] * 8
    assert (np.diff(digits.train_labels.astype(int)) != 0).mean() > 0.8  # shuffled

    # The very drawings, the same each time, each once and with its label.
    drawn, labels = draw_pictures(500, 2012)
    images = np.concatenate([digits.train_images, digits.test_images])
    made = [(y, x.tobytes()) for y, x in zip([*digits.train_labels, *classes], images, strict=True)]
    expected = [(y, x.tobytes()) for y, x in zip(labels, drawn, strict=True)]
    assert len(set(made)) == 4000
    assert sorted(made) == sorted(expected)

    # Graded by name.
    rows = [f"{image},{name}" for image, name in reversed(solution)]
    rows[0] = f"{solution[-1][0]},{COLOUR.class_names[classes[-1] - 1]}"
    submission = workspace.root / "s.csv"
    submission.write_text("\n".join(["id,label", *rows]))
    accuracy = grade(submission, inputs)
    assert (accuracy.correct, accuracy.total) == (799, 800)
    submission.write_text("id,label\n1,disc\n")
    with pytest.raises(UserError, match="line 2, column label: expected one of spotted disc"):
        grade(submission, inputs)


def test_the_drawings_are_of_their_classes_and_in_colour():
    images, labels = draw_pictures(20, 0)
    assert COLOUR.class_names == CLASSES
    assert images.shape[1:] == COLOUR.image_shape
    assert labels.tolist() == np.repeat(np.arange(8), 20).tolist()
    spread = images.astype(float).std(axis=(2, 3))
    assert (spread > 1).all()  # nothing empty
    assert np.abs(images[:, 0].astype(int) - images[:, 2]).mean() > 20
