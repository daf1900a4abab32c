"""Train several folds of a run at once, each in a process of its own."""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch

from pipeline.augment.helper_process import HelperProcess
from pipeline.console import Bar, Reporter
from pipeline.errors import UserError
from pipeline.runs.workspace import RunPaths
from pipeline.training.device import Device
from pipeline.training.fold import FoldTraining, fold_name
from pipeline.training.memory import advising_on_memory


def choose_num_jobs(asked: int | str, device: Device, num_folds: int) -> int:
    """Return how many folds to train at once, at most as many as there are.

    "auto" is one per CPU core, each with one thread: on two cores that trains 1.24 times as many
    images per second as one fold after another with two threads each. It is one per CUDA device.
    """
    if asked == "auto":
        numbers = {"cpu": torch.get_num_threads, "cuda": torch.cuda.device_count}
        asked = numbers.get(device.torch.type, lambda: 1)()
    return min(int(asked), num_folds)


def share_threads(num_processes: int) -> int:
    """Return each process's share of the threads that PyTorch has here, at least one."""
    return max(1, torch.get_num_threads() // num_processes)


def train_in_processes(
    training: FoldTraining, folds: Sequence[int], paths: RunPaths, reporter: Reporter, num_jobs: int
) -> None:
    """Train folds in `num_jobs` processes, at most as many, which share the CPU's threads.

    Whatever ends this call ends the processes: an error, Ctrl-C, even a `kill -9` of this
    process. Finished epochs are kept. The caller holds the run's lock. A process that is killed
    raises a UserError.
    """
    if training.settings.num_workers == "auto":  # albumentations' own share of the cores
        share = max(1, (os.cpu_count() or 1) // num_jobs)
        settings = training.settings.model_copy(update={"num_workers": share})
        training = replace(training, settings=settings)
    num_threads = share_threads(num_jobs)
    threads = f"{num_threads} thread{'s' if num_threads > 1 else ''}"
    reporter.line(f"{num_jobs} folds at once, each in a process with {threads}")
    context = multiprocessing.get_context("spawn")
    folds_left: SimpleQueue[int | None] = context.SimpleQueue()
    for fold in [*folds, *[None] * num_jobs]:
        folds_left.put(fold)
    # Never written to. When this process closes its end, if only by dying, the workers exit.
    their_lifeline, lifeline = context.Pipe(duplex=False)
    workers: list[tuple[HelperProcess, Listener]] = []
    try:
        for number in range(num_jobs):
            helper = HelperProcess.start(
                context,
                _work,
                (number, training, paths, num_threads, folds_left, their_lifeline),
                what="a training process",
                advice="the same command goes on from its last epoch, JOBS=1 with one at a time",
            )
            workers.append((helper, Listener(reporter)))
        speaking = {helper.messages: (helper, listener) for helper, listener in workers}
        while speaking:
            for messages in wait(list(speaking)):
                assert isinstance(messages, Connection)
                helper, listener = speaking[messages]
                try:
                    listener.hear(*helper.hear())
                except EOFError:
                    del speaking[messages]
    finally:
        lifeline.close()
        for helper, listener in workers:
            helper.process.join()
            listener.bars.close()


def _work(  # noqa: PLR0917 (a process is given all by place)
    number: int,
    training: FoldTraining,
    paths: RunPaths,
    num_threads: int,
    folds_left: "SimpleQueue[int | None]",
    lifeline: Connection,
    messages: Connection,
) -> None:
    """Train fold after fold: the whole life of the worker process of that number.

    A None among the folds that no worker has taken yet ends it; so does the lifeline, when its
    other end is closed.
    """
    threading.Thread(target=_exit_after, args=(lifeline,), daemon=True).start()
    torch.set_num_threads(num_threads)
    if training.device.torch.type == "cuda":
        torch.cuda.set_device(number % torch.cuda.device_count())  # what "cuda" means from here on
    name = "a fold"
    try:
        with advising_on_memory(training.what_to_lower):
            while (fold := folds_left.get()) is not None:
                name = fold_name(fold)
                say = partial(_send, messages)
                training.train(fold, paths.fold(fold), RemoteReporter(say, name))
    except (UserError, OSError) as error:
        _send(messages, error)
    except Exception as error:
        said = (str(error).splitlines() or [""])[0]
        what = f"the training of {name} failed ({type(error).__name__}: {said})"
        _send(messages, UserError(f"{what}; JOBS=1 trains in one process and shows where."))


def _send(messages: Connection, message: object) -> None:
    """Send a message; end this process when the one that listened is gone."""
    try:
        messages.send(message)
    except BrokenPipeError:  # noticed here before the thread that watches the lifeline had a turn
        os._exit(1)


def _exit_after(lifeline: Connection) -> None:
    """End this process, whatever it is doing, when the other end of the lifeline is closed."""
    with contextlib.suppress(OSError):
        lifeline.poll(None)
    os._exit(1)


class RemoteReporter(Reporter, Bar):
    """Sends what a training far away says, with the fold's name, to where a `Listener` hears it."""

    def __init__(self, send: Callable[[tuple[object, ...]], None], name: str) -> None:
        self._send, self._name = send, name

    def line(self, text: str) -> None:
        """Send a line, with the fold's name if it does not begin with that."""
        named = text if text.startswith(self._name) else f"{self._name}: {text}"
        self._send(("line", named))

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Send that a bar begins, and that it ends."""
        self._send(("open_bar", f"{self._name}, {label}", total))
        yield self
        self._send(("close_bar",))

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Send how far the bar came on."""
        self._send(("advance", amount, note))


@dataclass
class Listener:
    """Hands on to the reporter what one `RemoteReporter` sends."""

    reporter: Reporter
    bars: ExitStack = field(default_factory=ExitStack)
    _bar: Bar = field(default_factory=Bar)

    def hear(self, what: str, *arguments: Any) -> None:
        """Show one message."""
        if what == "line":
            self.reporter.line(*arguments)
        elif what == "open_bar":
            self._bar = self.bars.enter_context(self.reporter.bar(*arguments))
        elif what == "close_bar":
            self.bars.close()
        else:
            assert what == "advance"
            self._bar.advance(*arguments)
