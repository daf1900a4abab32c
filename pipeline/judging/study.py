"""The trials of a sweep: proposed by Optuna, kept in an SQLite file, the same in every repetition.

Optuna proposes by the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) and prunes
by the median of earlier trials at the same point (Golovin et al., KDD 2017).
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.randomness import derive_seed
from pipeline.errors import UserError
from pipeline.judging.search import Parameter, Value

_NUM_RANDOM = 6
"""Trials drawn at random before the estimator has something to go by, the baseline among them."""

_NUM_UNPRUNED = 4
"""Trials that are finished whatever they look like: a median of fewer means little."""


@dataclass(frozen=True)
class Trial:
    """A finished trial: the run it trained with a value for each parameter."""

    run: str
    values: list[Value]
    gain: float
    """Its accuracy minus the baseline's, on the same images."""
    pruned: bool
    """Whether it was given up after the first fold."""


class Study:
    """The memory of a sweep. One process at a time may use it, for one batch of trials at a time.

    A batch is a function of the seed, its size and the trials finished before it, so a sweep that
    was killed and taken up again tries the same values as one that was not. The first trial is the
    baseline. Every method raises a `UserError` if the file is damaged or in use.
    """

    def __init__(self, path: Path, space: Sequence[Parameter], seed: int, *, identity: str) -> None:
        """Open the SQLite file, or make it; `identity` names what makes trials comparable.

        Raises:
            UserError: Optuna is not installed, or the file is of another sweep.
        """
        try:
            import optuna
            from sqlalchemy.pool import NullPool  # comes with Optuna
        except ImportError:
            raise UserError(
                "make sweep needs optuna, which is not installed; run "
                "`.venv/bin/python -m pip install 'optuna>=4'`."
            ) from None
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
            # What a killed process left is proposed again, as it was.
            state = optuna.trial.TrialState
            left = [trial.number for trial in self._study.get_trials(states=[state.RUNNING])]
            left += [
                self._study.ask().number for _ in self._study.get_trials(states=[state.WAITING])
            ]
            for number in left:
                self._study.tell(number, state=state.FAIL)

    def finished(self) -> list[Trial]:
        """Return the finished trials, in their order."""
        from optuna.trial import TrialState

        found = []
        with _blaming_the_file(self._path):
            for each in self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
                assert each.value is not None
                pruned = each.state == TrialState.PRUNED
                found.append(Trial(**each.user_attrs, gain=each.value, pruned=pruned))
        return found

    def propose(self, num: int = 1) -> list[list[Value]]:
        """Begin so many trials; return what each tries, a value for each parameter.

        The rest of a batch that was not finished is proposed as it was, however many are asked for.
        """
        from optuna.samplers import TPESampler

        number = len(self.finished())
        with _blaming_the_file(self._path):
            begun = self._study.user_attrs.get("batch", {"start": 0, "params": []})
            batch = begun["params"][number - begun["start"] :] or [None] * num
            if batch[0] is None and number == 0:
                batch[0] = {each.key: each.default for each in self._space}
            self._trials = []
            for place, params in enumerate(batch):
                if params:
                    self._study.enqueue_trial(params)
                # Each takes those begun before it for failures, so as to differ.
                seed = derive_seed(self._seed, "sweep", number + place) % 2**32
                self._study.sampler = TPESampler(
                    seed=seed, n_startup_trials=_NUM_RANDOM, constant_liar=num > 1
                )
                self._trials.append(self._study.ask())
                for each in self._space:
                    each.draw(self._trials[-1])
            batch = [trial.params for trial in self._trials]
            self._study.set_user_attr("batch", {"start": number, "params": batch})
            return [[each.draw(trial) for each in self._space] for trial in self._trials]

    def is_hopeless(self, place: int, gain: float) -> bool:
        """Say whether to give a trial of the batch up after the first fold, with that gain."""
        with _blaming_the_file(self._path):
            self._trials[place].report(gain, step=0)
            return self._trials[place].should_prune()

    def finish(self, trials: Sequence[Trial]) -> None:
        """Keep the results of the batch that was proposed last, in its order, for good."""
        from optuna.trial import TrialState

        with _blaming_the_file(self._path):
            for kept, trial in zip(self._trials, trials, strict=True):
                kept.set_user_attr("run", trial.run)
                kept.set_user_attr("values", trial.values)
                if trial.pruned:
                    self._study.tell(kept, state=TrialState.PRUNED)
                else:
                    self._study.tell(kept, trial.gain)


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
