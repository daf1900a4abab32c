"""A map of validation images by what the network makes of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.randomness import derive_seed
from pipeline.report.evidence import Evidence
from pipeline.report.shown import ShownDigit, show
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import Section, render
from pipeline.runs.probs import Probs

MOST_ROWS = 1_500
"""Images on the map; t-SNE of so many takes a third of the page's time."""

_PERPLEXITY = 30

ITERATIONS = 500
"""scikit-learn's default of 1,000 takes twice as long for the same trustworthiness, 0.997."""

_WIDTH, _HEIGHT, _LEFT, _MARGIN = 660, 520, 20, 14
"""The map in units of its SVG element: its size, where its frame begins, the frame's margin."""


@dataclass(frozen=True)
class Dot:
    """One image on the map.

    Attributes:
        x, y: Its place in the SVG element.
        class_index: Its label, 0..K-1.
        digit: The image.
    """

    x: float
    y: float
    class_index: int
    digit: ShownDigit

    @property
    def wrong(self) -> bool:
        """Whether it was misread."""
        return self.digit.label != self.digit.read_as


def choose_rows(valid: Probs, labels: npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.int64]:
    """Return the rows to lay out, at most `MOST_ROWS`, sorted: the mistakes, then any others.

    Args:
        valid: Probabilities of the validation images of one network.
        labels: (N,), of all rows of `train.csv`.
        seed: Of the choice.
    """
    wrong = valid.probs.argmax(axis=1) != labels[valid.ids]
    # A stable sort of shuffled rows: the mistakes come first, whatever else there is at random.
    shuffled = np.random.default_rng(derive_seed(seed, "map")).permutation(len(valid.ids))
    chosen = shuffled[(~wrong[shuffled]).argsort(kind="stable")][:MOST_ROWS]
    return np.sort(valid.ids[chosen])


def lay_out(features: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
    """Return places on a plane, float32 (M, 2), where similar features lie close together.

    It is t-SNE (van der Maaten and Hinton, JMLR 9, 2008), scikit-learn's, started from the two
    principal components.

    Args:
        features: (M, F), M ≥ 2.
        seed: Of the few random decisions.
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


def section(evidence: Evidence, sheet: SpriteSheet) -> Section:
    """Return the section."""
    laid_out = evidence.map
    assert laid_out is not None, "a run with validation images has a map"
    places = _scale(laid_out.places)
    indices = np.searchsorted(evidence.out_of_fold.ids, laid_out.rows)
    labels = evidence.train_labels[laid_out.rows]
    dots = [
        Dot(float(x), float(y), int(label), show(evidence, sheet, int(index)))
        for (x, y), label, index in zip(places, labels, indices, strict=True)
    ]
    dots.sort(key=lambda dot: dot.wrong)  # the mistakes are drawn last, over the others
    names = [
        (index, evidence.competition.class_names[index], np.median(places[labels == index], axis=0))
        for index in np.unique(labels)
    ]
    body = render(
        "embedding.html",
        map=laid_out,
        dots=dots,
        names=names,
        num_wrong=sum(dot.wrong for dot in dots),
        perplexity=_PERPLEXITY,
        iterations=ITERATIONS,
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        several_networks=evidence.num_networks > 1,
    )
    return Section("map", "The digits as the network sees them", body)


def _scale(places: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Stretch the places over the SVG element, the second axis upwards."""
    low, high = places.min(axis=0), places.max(axis=0)
    unit = (places - low) / np.where(high > low, high - low, 1)
    unit[:, 1] = 1 - unit[:, 1]
    size = np.array([_WIDTH - _LEFT, _HEIGHT]) - 2 * _MARGIN
    scaled: npt.NDArray[np.floating] = unit * size + np.array([_LEFT + _MARGIN, _MARGIN])
    return scaled
