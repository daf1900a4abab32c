"""Two sides drawn from a known truth."""

from dataclasses import dataclass

import numpy as np

from pipeline.judging.difference import Outcomes

IMAGES_PER_TRAINING = 400
HARD = 80  # images of a training on which networks differ; all others everybody gets right


@dataclass(frozen=True)
class Truth:
    """What is drawn from.

    Attributes:
        trainings: Folds, each with images and networks of its own.
        seeds: Networks per fold and side.
        luck: Standard deviation of a network's accuracy on endless images, in units of what
            its independent errors on one training's images alone would give.
        gain: B's accuracy minus A's, on endless images and seeds.
    """

    trainings: int
    seeds: int
    luck: float = 0.0
    gain: float = 0.0

    @property
    def luck_sd(self) -> float:
        """Standard deviation of a network's accuracy over seeds."""
        # An image's error varies over seeds by p (1 - p), which is about 1/4 near p = 1/2.
        return self.luck * (HARD / 4) ** 0.5 / IMAGES_PER_TRAINING

    def train(self, rng: np.random.Generator) -> "Networks":
        """Return networks of A and of B, with luck of their own."""
        size = (2, self.seeds, self.trainings, 1)
        gain = np.array([0.0, self.gain]).reshape(2, 1, 1, 1)
        return Networks(rng.normal(0, self.luck_sd, size) + gain)

    def draw(self, rng: np.random.Generator) -> tuple[Outcomes, Outcomes]:
        """Return A's and B's outcomes: new networks, new images."""
        return self.train(rng).classify(rng)


@dataclass(frozen=True)
class Networks:
    """Networks of A and of B.

    Attributes:
        gain: (2, seeds, trainings, 1): a network's accuracy beyond A's mean on endless images.
    """

    gain: np.ndarray

    def classify(self, rng: np.random.Generator) -> tuple[Outcomes, Outcomes]:
        """Return A's and B's outcomes on new images."""
        _, seeds, trainings, _ = self.gain.shape
        # How easy an image is for B has something, but not all, to do with how it is for A.
        both, *own = rng.uniform(-0.06, 0.06, (3, trainings, HARD))
        row_trainings = np.repeat(np.arange(trainings), IMAGES_PER_TRAINING)
        sides = []
        for gain, easy in zip(self.gain, own, strict=True):
            correct = np.ones((seeds, trainings, IMAGES_PER_TRAINING), dtype=bool)
            chances = 0.5 + both + easy + gain * IMAGES_PER_TRAINING / HARD
            correct[..., :HARD] = rng.random(chances.shape) < chances
            sides.append(Outcomes(correct.reshape(seeds, -1), row_trainings))
        return sides[0], sides[1]


def part(side: Outcomes, trainings: int, seeds: int) -> Outcomes:
    """The first trainings of the first seeds: what was there at an earlier look."""
    chosen = side.trainings < trainings
    return Outcomes(side.correct[:seeds, chosen], side.trainings[chosen])


def allowance(rate: float, repetitions: int) -> float:
    """Three standard deviations of a rate that is counted in so many repetitions."""
    return 3 * (rate * (1 - rate) / repetitions) ** 0.5
