"""What a report is made from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import Competition
from pipeline.data.manifest import Manifest
from pipeline.runs.history import EpochNumbers
from pipeline.runs.probs import Probs
from pipeline.runs.records import FoldFacts, Receipt, RunConfig
from pipeline.runs.scoring import Accuracy, count_correct


@dataclass(frozen=True)
class Fold:
    """One finished training.

    Attributes:
        number, name: Which one, and what it is called: "fold 3", or "all data".
        valid: Its validation probabilities; ids are rows of `train.csv`; none of all data.
        history: Its epochs, in order.
        facts: Where it was trained; None if it was trained before that was recorded.
    """

    number: int
    name: str
    valid: Probs
    history: list[EpochNumbers]
    facts: FoldFacts | None


@dataclass(frozen=True)
class Training:
    """A run whose own networks were trained.

    Attributes:
        config: What it was made with.
        folds: Its finished folds, at least one.
        network: Its network layer by layer, as text.
        preview: A PNG of what its recipe does to ten digits.
    """

    config: RunConfig
    folds: list[Fold]
    network: str
    preview: bytes


@dataclass(frozen=True)
class Evidence:
    """All that is known of a run, or of an ensemble of runs.

    Attributes:
        run: Its name.
        competition, manifest: What it is about.
        train_images: uint8 (N, C, H, W), in the order of `train.csv`.
        train_labels: uint8 (N,).
        test_images: uint8 (T, C, H, W), the first of `test.csv`; ids are 1..T.
        test_probs: float32 (T, K), their probabilities.
        num_test: Images in `test.csv`.
        out_of_fold: Probabilities of the validation rows, sorted by row; none if all data were
            trained on.
        trainings: The runs trained for it: itself alone, or the members of the ensemble.
        map: Validation images of the first training's first fold, laid out on a plane by what its
            network makes of them: rows, int64 (M,), and places, float (M, 2); None without any.
        receipt: What became of its submission, if there is one.
    """

    run: str
    competition: Competition
    manifest: Manifest
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_probs: npt.NDArray[np.float32]
    num_test: int
    out_of_fold: Probs
    trainings: list[Training]
    map: tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]] | None
    receipt: Receipt | None

    @property
    def is_validated(self) -> bool:
        """Whether any image was held out; most of what a report says is about those."""
        return len(self.out_of_fold.ids) > 0

    @property
    def valid_labels(self) -> npt.NDArray[np.uint8]:
        """The labels of the validation rows, uint8 (V,)."""
        return self.train_labels[self.out_of_fold.ids]

    @property
    def predictions(self) -> npt.NDArray[np.intp]:
        """The most probable class of each validation row, (V,)."""
        predictions: npt.NDArray[np.intp] = self.out_of_fold.probs.argmax(axis=1)
        return predictions

    @property
    def num_networks(self) -> int:
        """How many networks were trained for it."""
        return sum(len(training.folds) for training in self.trainings)

    @property
    def accuracy(self) -> Accuracy:
        """The share of validation rows read right, of which there must be one."""
        return count_correct(self.out_of_fold.probs, self.valid_labels)
