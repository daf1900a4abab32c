"""A map of validation images by what the network makes of them."""

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from pipeline.data.randomness import derive_seed
from pipeline.report.evidence import Evidence
from pipeline.report.shown import show
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import render
from pipeline.runs.probs import Probs

MOST_ROWS = 1_500
"""Images on the map; t-SNE of so many takes a third of the page's time."""

_PERPLEXITY = 30

ITERATIONS = 500
"""scikit-learn's default of 1,000 takes twice as long for the same trustworthiness, 0.997."""

_WIDTH, _HEIGHT, _LEFT, _MARGIN = 660, 520, 20, 14
"""The map in units of its SVG element: its size, where its frame begins, the frame's margin."""

_LETTER = 11  # a letter of a long name, in the same units


def choose_rows(valid: Probs, labels: npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.int64]:
    """Return the rows to lay out, at most `MOST_ROWS`, sorted: the mistakes, then any others.

    `valid` is of one network; `labels` (N,) are of all rows of `train.csv`.
    """
    wrong = valid.probs.argmax(axis=1) != labels[valid.ids]
    # A stable sort of shuffled rows: the mistakes come first, whatever else there is at random.
    shuffled = np.random.default_rng(derive_seed(seed, "map")).permutation(len(valid.ids))
    chosen = shuffled[(~wrong[shuffled]).argsort(kind="stable")][:MOST_ROWS]
    return np.sort(valid.ids[chosen])


def lay_out(features: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
    """Return places on a plane, float32 (M, 2), where similar features (M, F) lie close together.

    It is t-SNE (van der Maaten and Hinton, JMLR 9, 2008), scikit-learn's, started from the two
    principal components. M is at least 2.
    """
    from sklearn.manifold import TSNE

    if not np.ptp(features, axis=0).any():  # a network that collapsed: nothing to tell apart
        return np.zeros((len(features), 2), dtype=np.float32)
    method = TSNE(
        perplexity=min(_PERPLEXITY, (len(features) - 1) / 3),
        init="pca",
        max_iter=ITERATIONS,
        random_state=derive_seed(seed, "map") % 2**32,
    )
    places: npt.NDArray[np.float32] = method.fit_transform(features)
    return places


def section(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section."""
    assert evidence.map is not None, "a run with validation images has a map"
    rows, places = evidence.map
    places = _scale(places)
    indices = np.searchsorted(evidence.out_of_fold.ids, rows)
    labels = evidence.train_labels[rows]
    dots = [
        (x, y, label, show(evidence, sheet, index))
        for (x, y), label, index in zip(places.tolist(), labels, indices, strict=True)
    ]
    dots.sort(key=lambda dot: dot[-1].wrong)  # the mistakes are drawn last, over the others
    names = []
    for label in np.unique(labels):
        name = evidence.competition.class_names[label]
        x, y = np.median(places[labels == label], axis=0)
        room = _LETTER * len(name) / 2  # on either side, within the frame
        names.append((name, (np.clip(x, _LEFT + room, _WIDTH - room), y)))
    return render(
        "embedding.html",
        training=evidence.trainings[0],
        dots=dots,
        names=names,
        num_wrong=sum(digit.wrong for *_, digit in dots),
        perplexity=_PERPLEXITY,
        iterations=ITERATIONS,
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        several_networks=evidence.num_networks > 1,
    )


def _scale(places: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Stretch the places over the SVG element, the second axis upwards."""
    low, high = places.min(axis=0), places.max(axis=0)
    unit = (places - low) / np.where(high > low, high - low, 1)
    unit[:, 1] = 1 - unit[:, 1]
    size = np.array([_WIDTH - _LEFT, _HEIGHT]) - 2 * _MARGIN
    scaled: npt.NDArray[np.floating] = unit * size + np.array([_LEFT + _MARGIN, _MARGIN])
    return scaled
