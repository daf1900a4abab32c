"""The trials of a sweep: proposed by Optuna, kept in an SQLite file, the same in every repetition.

Optuna proposes by the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) and prunes
by the median of earlier trials at the same point (Golovin et al., KDD 2017).
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.randomness import derive_seed
from pipeline.errors import UserError
from pipeline.judging.search import Parameter, Value

if TYPE_CHECKING:
    import optuna


_NUM_RANDOM = 6
"""Trials drawn at random before the estimator has something to go by, the baseline among them."""

_NUM_UNPRUNED = 4
"""Trials that are finished whatever they look like: a median of fewer means little."""


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes:
        run: The run it trained.
        values: What it tried, a value for each parameter.
        gain: Its accuracy minus the baseline's, on the same images.
        pruned: Whether it was given up after the first fold.
    """

    run: str
    values: list[Value]
    gain: float
    pruned: bool


class Study:
    """The memory of a sweep. One process at a time may use it.

    The n-th trial is a function of the seed and the trials finished before it, so a sweep that was
    killed and taken up again tries the same values as one that was not. The first trial is the
    baseline.
    """

    def __init__(self, path: Path, space: Sequence[Parameter], seed: int, *, identity: str) -> None:
        """Open the file, or make it.

        Args:
            path: The SQLite file.
            space: What varies.
            seed: Of the proposals.
            identity: Tells sweeps apart whose trials cannot be compared.

        Raises:
            UserError: Optuna is not installed, or the file is damaged, of another sweep or in use.
        """
        optuna = _import_optuna()
        from sqlalchemy.pool import NullPool  # comes with Optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._path, self._space, self._seed = path, space, seed
        path.parent.mkdir(parents=True, exist_ok=True)
        unpooled = {"poolclass": NullPool}  # each connection is closed once it was used
        with _blaming_the_file(path):
            self._study = optuna.create_study(
                storage=optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs=unpooled),
                study_name="sweep",
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=_NUM_UNPRUNED),
            )
            if self._study.user_attrs.setdefault("identity", identity) != identity:
                raise UserError(
                    f"{path} is of a sweep of other settings, ranges or folds; give this one "
                    "another name with RUN=, or delete the file to start again."
                )
            self._study.set_user_attr("identity", identity)
            for trial in self._study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
                # Left by a killed process. It is proposed again, as it was.
                self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def finished(self) -> list[Trial]:
        """Return the finished trials, in their order.

        Raises:
            UserError: The file is damaged or in use.
        """
        from optuna.trial import TrialState

        states = (TrialState.COMPLETE, TrialState.PRUNED)
        with _blaming_the_file(self._path):
            return [_read(each) for each in self._study.get_trials(states=states)]

    def propose(self) -> "OpenTrial":
        """Return the next trial.

        Raises:
            UserError: The file is damaged or in use.
        """
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        number = len(self.finished())
        with _blaming_the_file(self._path):
            if number == 0 and not self._study.get_trials(states=[TrialState.WAITING]):
                self._study.enqueue_trial({each.key: each.default for each in self._space})
            seed = derive_seed(self._seed, "sweep", number) % 2**32
            self._study.sampler = TPESampler(seed=seed, n_startup_trials=_NUM_RANDOM)
            trial = self._study.ask()
            values = [each.draw(trial) for each in self._space]
        return OpenTrial(self._path, self._study, trial, values)


class OpenTrial:
    """A trial that is being trained.

    Attributes:
        values: What it tries, a value for each parameter.
    """

    def __init__(
        self, path: Path, study: "optuna.Study", trial: "optuna.Trial", values: list[Value]
    ) -> None:
        self._path, self._study, self._trial, self.values = path, study, trial, values

    def is_hopeless(self, gain: float) -> bool:
        """Say whether to give up after the first fold, with that gain.

        Raises:
            UserError: The file is damaged or in use.
        """
        with _blaming_the_file(self._path):
            self._trial.report(gain, step=0)
            return self._trial.should_prune()

    def finish(self, run: str, gain: float, *, pruned: bool) -> Trial:
        """Keep the result, for good.

        Raises:
            UserError: The file is damaged or in use.
        """
        from optuna.trial import TrialState

        finished = Trial(run, self.values, gain, pruned)
        with _blaming_the_file(self._path):
            self._trial.set_user_attr("run", run)
            self._trial.set_user_attr("values", self.values)
            if pruned:
                self._study.tell(self._trial, state=TrialState.PRUNED)
            else:
                self._study.tell(self._trial, gain)
        return finished


@contextlib.contextmanager
def _blaming_the_file(path: Path) -> Iterator[None]:
    """Tell what SQLite has against the file, by its own code (https://sqlite.org/rescode.html).

    Optuna and SQLAlchemy wrap SQLite's exception in others, and call many things by one name.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        fault: BaseException = error
        while fault.__cause__ and not isinstance(fault, sqlite3.Error):
            fault = fault.__cause__
        code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        reason = str(fault).partition("\n")[0]
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            said = "is in use by another program; close that and run the same command again"
        elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            said = f"is damaged ({reason}); delete it to start again"
        else:
            said = (
                f"cannot be used ({reason}); mend that and run the same command again, or start "
                "another sweep with RUN="
            )
        raise UserError(f"{path} {said}. The runs of its trials are kept.") from None


def _read(trial: "optuna.trial.FrozenTrial") -> Trial:
    from optuna.trial import TrialState

    assert trial.value is not None
    attributes = trial.user_attrs
    pruned = trial.state == TrialState.PRUNED
    return Trial(attributes["run"], attributes["values"], trial.value, pruned)


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError(
            "make sweep needs optuna, which is not installed; run "
            "`.venv/bin/python -m pip install 'optuna>=4'`."
        ) from None
    return optuna
