"""How long the training of many runs will take."""

from collections.abc import Sequence

from pipeline.errors import UserError
from pipeline.runs.history import read_history
from pipeline.runs.spec import RunSpec
from pipeline.runs.workspace import FoldPaths, Workspace
from pipeline.settings.fields import Settings
from pipeline.training.fold import FoldTraining
from pipeline.training.memory import advising_on_memory
from pipeline.training.run import prepare_training


class Forecast:
    """The time that several runs still need, foretold from a few steps of each network.

    Steps know nothing of several trainings at once, of validation, or of a machine that grows
    warm. So what each run takes, compared with what was foretold for it, corrects what is left.
    """

    def __init__(
        self, runs: Sequence[RunSpec], workspace: Workspace, *, from_scratch: bool = False
    ) -> None:
        """Look at what is finished, and measure the rest: a second or so for each network."""
        self._device = ""
        self._speeds: dict[tuple[Settings, str], float] = {}
        self._num_trainings = sum(len(run.settings.fold_numbers) for run in runs)
        self._num_left: dict[str, int] = {}
        self._left_s: dict[str, float] = {}
        for run in runs:
            self._foretell(run, workspace, from_scratch)
        self._foretold_s = 0.0
        self._took_s = 0.0

    @property
    def left_s(self) -> float:
        """Seconds left."""
        pace = self._took_s / self._foretold_s if self._foretold_s else 1.0
        return sum(self._left_s.values()) * pace

    def finish(self, run: str, took_s: float) -> None:
        """Note that a run is finished, and how long that took in seconds."""
        self._num_left.pop(run)
        if foretold_s := self._left_s.pop(run):
            self._foretold_s += foretold_s
            self._took_s += took_s

    def __str__(self) -> str:
        num_done = self._num_trainings - sum(self._num_left.values())
        trainings = f"{self._num_trainings} trainings, {num_done} done"
        return f"about {in_words(self.left_s)} on {self._device} ({trainings})"

    def _foretell(self, run: RunSpec, workspace: Workspace, from_scratch: bool) -> None:
        """Note how many networks of a run are to be trained, and how long that will take."""
        training, paths = prepare_training(run, workspace), workspace.run(run.name)
        self._device = training.device.name
        folds = [paths.fold(fold) for fold in run.settings.fold_numbers]
        left = [fold for fold in folds if from_scratch or not training.is_finished(fold)]
        num_epochs_done = 0 if from_scratch else sum(map(_num_epochs_done, left))
        num_epochs = len(left) * run.settings.epochs - num_epochs_done
        share = 1.0 if run.settings.all_data else 1.0 - run.settings.valid
        num_images = num_epochs * share * len(training.images)
        self._num_left[run.name] = len(left)
        self._left_s[run.name] = num_images / self._speed(run, training) if left else 0.0

    def _speed(self, run: RunSpec, training: FoldTraining) -> float:
        """Images per second of a network, measured once whatever its seeds."""
        network = (run.settings.model_copy(update={"seed": 0}), run.recipe)
        if network not in self._speeds:
            with advising_on_memory(training.what_to_lower):
                self._speeds[network] = training.measure_speed()
        return self._speeds[network]


def _num_epochs_done(fold: FoldPaths) -> int:
    try:
        return len(read_history(fold.history))
    except (FileNotFoundError, UserError):  # a damaged one is written again
        return 0


def in_words(seconds: float) -> str:
    """Return a duration as people say it: 40 s, 12 min, 5 h 20 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    hours, minutes = divmod(round(seconds / 600) * 10, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
