"""What the report works out before it draws anything."""

import base64
import io

import numpy as np
import pytest
from matplotlib.image import imread

from pipeline.report import embedding
from pipeline.report.calibration import NUM_BINS, calibrate
from pipeline.report.classes import confusion_matrix
from pipeline.report.shown import suspicious_labels
from pipeline.report.sprites import GUTTER_PX, SpriteSheet
from pipeline.report.templating import duration, prob
from pipeline.runs.probs import Probs

pytestmark = pytest.mark.machine


def test_the_calibration_error_is_the_mean_distance_over_the_images():
    confidence = np.array([0.9] * 10 + [0.55] * 4, dtype=np.float32)
    correct = np.array([True] * 8 + [False] * 2 + [True] * 4)
    found = calibrate(confidence, correct)
    assert [each.accuracy.total for each in found.bins] == [4, 10]
    assert found.error == pytest.approx((4 * 0.45 + 10 * 0.1) / 14, abs=1e-6)


def test_every_image_is_in_the_bin_its_confidence_belongs_to():
    edges = np.arange(NUM_BINS + 1) / NUM_BINS
    confidence = np.concatenate([edges[1:] - 1e-6, [1.0]])
    found = calibrate(confidence, np.ones(len(confidence), dtype=bool))
    assert [each.accuracy.total for each in found.bins] == [1] * (NUM_BINS - 1) + [2]
    for each in found.bins:
        assert each.low < each.confidence <= each.high


@pytest.mark.parametrize(
    ("shift", "words"), [(0.0, "well calibrated"), (-0.1, "overconfident"), (0.1, "underconfident")]
)
def test_the_verdict_tells_a_wrong_confidence_from_chance(shift, words):
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.6, 0.85, 3_000)
    found = calibrate(confidence, rng.random(3_000) < confidence + shift)
    assert found.verdict.startswith(words)
    assert (found.error > found.chance) is bool(shift)


def test_chance_alone_stays_below_the_stated_error_as_often_as_stated():
    rng = np.random.default_rng(1)
    below = []
    for _ in range(40):
        confidence = rng.uniform(0.5, 1, 200)
        found = calibrate(confidence, rng.random(200) < confidence)
        below.append(found.error <= found.chance)
    assert sum(below) >= 34, "38 of 40 are expected; fewer than 34 come once in 300 times"


def test_planted_wrong_labels_are_found_and_sound_ones_are_not():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 500)
    probs = np.full((500, 10), 0.01)
    probs[np.arange(500), truth] = 0.91
    assert len(suspicious_labels(probs, truth)) == 0
    labels = truth.copy()
    labels[[3, 77, 400]] = (truth[[3, 77, 400]] + 1) % 10
    probs[77] = 0.001
    probs[77, truth[77]] = 0.991
    found = suspicious_labels(probs, labels)
    assert set(found) == {3, 77, 400}
    assert found[0] == 77, "the most suspicious comes first"


def test_an_unsure_mistake_is_no_reason_to_doubt_a_label():
    probs = np.array([[0.9, 0.1], [0.95, 0.05], [0.1, 0.9], [0.4, 0.6]])
    assert len(suspicious_labels(probs, np.array([0, 0, 1, 0]))) == 0


def test_a_class_without_images_is_never_what_a_label_should_have_been():
    probs = np.array([[0.9, 0.05, 0.05], [0.05, 0.05, 0.9]])
    assert len(suspicious_labels(probs, np.array([0, 1]))) == 0


def test_the_confusion_matrix_has_labels_down_and_predictions_across():
    matrix = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]), 3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_the_map_shows_the_mistakes_and_a_seeded_choice_of_the_others(monkeypatch):
    monkeypatch.setattr(embedding, "MOST_ROWS", 10)
    labels = np.zeros(100, dtype=np.uint8)
    ids = np.arange(0, 100, 2)
    probs = np.tile(np.array([0.9, 0.1], dtype=np.float32), (50, 1))
    probs[[4, 30]] = [0.2, 0.8]
    rows = embedding.choose_rows(Probs(ids, probs), labels, seed=0)
    assert len(rows) == 10
    assert {8, 60} <= set(rows) <= set(ids)
    assert (np.diff(rows) > 0).all()
    assert rows.tolist() == embedding.choose_rows(Probs(ids, probs), labels, seed=0).tolist()
    assert rows.tolist() != embedding.choose_rows(Probs(ids, probs), labels, seed=1).tolist()


def test_the_map_keeps_what_is_alike_together(monkeypatch):
    monkeypatch.setattr(embedding, "ITERATIONS", 250)
    rng = np.random.default_rng(0)
    group = np.arange(60) % 3
    features = (10 * np.eye(3)[group] + rng.normal(size=(60, 3))).astype(np.float32)
    places = embedding.lay_out(features, seed=0)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).mean() > 0.9
    np.testing.assert_array_equal(places, embedding.lay_out(features, seed=0))


def test_a_collapsed_network_has_a_map_of_one_point():
    assert not embedding.lay_out(np.ones((30, 4), dtype=np.float32), seed=0).any()


def test_the_sheet_holds_each_image_once_and_pixel_by_pixel():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, 1, 6, 5), dtype=np.uint8)
    sheet = SpriteSheet(6, 5)
    places = [sheet.place(("train", index), image) for index, image in enumerate(images)]
    assert sheet.place(("train", 66), images[66]) == places[66]
    assert len(sheet) == 70
    head, _, data = sheet.data_uri().partition(",")
    assert head == "data:image/png;base64"
    picture = imread(io.BytesIO(base64.b64decode(data)))
    assert picture.shape[1::-1] == sheet.size_px
    for place, image in zip(places, images, strict=True):
        top = place.row * (6 + 2 * GUTTER_PX) + GUTTER_PX
        left = place.column * (5 + 2 * GUTTER_PX) + GUTTER_PX
        ink = picture[top : top + 6, left : left + 5, 3]
        np.testing.assert_array_equal(np.rint(255 * ink), image[0])


def test_the_sheet_shows_colours():
    image = np.random.default_rng(0).integers(0, 256, (3, 6, 5), dtype=np.uint8)
    sheet = SpriteSheet(6, 5)
    sheet.place("it", image)
    picture = imread(io.BytesIO(base64.b64decode(sheet.data_uri().partition(",")[2])))
    shown = np.rint(255 * picture[GUTTER_PX : GUTTER_PX + 6, GUTTER_PX : GUTTER_PX + 5])
    np.testing.assert_array_equal(shown[..., :3].transpose(2, 0, 1), image)
    assert (shown[..., 3] == 255).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, ">0.999"), (0.99951, ">0.999"), (0.98765, "0.988"), (0.0004, "<0.001"), (0, "<0.001")],
)
def test_a_probability_never_claims_certainty(value, text):
    assert prob(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7.31, "7.3 s"), (59.97, "1 min 0 s"), (321, "5 min 21 s"), (7384, "2 h 3 min")],
)
def test_a_time_is_told_in_the_units_people_use(seconds, text):
    assert duration(seconds) == text
