"""Train networks on the nodes of a Ray cluster, each as a task: `CLUSTER=auto` or `ray://host:10001`.

Nodes share no disk. The images travel once, through Ray's object store; after every epoch a
network's checkpoint comes home, so a node that is lost costs an epoch, and a driver that is lost
nothing that came home. What is trained, and in what order a processor adds, is as in
`processes.py`: a task with as many threads gives the same weights on the same kind of processor.
"""

import contextlib
import logging
import os
import platform
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pipeline.console import Reporter
from pipeline.data.files import replacing
from pipeline.errors import UserError
from pipeline.runs.workspace import FoldPaths, RunPaths
from pipeline.training.device import choose_device
from pipeline.training.fold import FoldTraining, fold_name
from pipeline.training.memory import advising_on_memory
from pipeline.training.processes import Listener, RemoteReporter
from pipeline.training.versions import library_versions, processor_name

_PACKAGE = Path(__file__).parents[1]
_ATTEMPTS = 5
_CONNECTIONS, _PAUSE_S = 3, 5.0
_POLL_S = 0.1
_BAR_S = 0.5
"""Between two messages about steps."""


@dataclass(frozen=True)
class ClusterJob:
    """Some folds of one run, whose lock the caller holds."""

    training: FoldTraining
    paths: RunPaths
    folds: Sequence[int]


def train_on_cluster(jobs: Sequence[ClusterJob], address: str, reporter: Reporter) -> None:
    """Train networks on as many nodes as there are, all at once as far as there is room.

    Each asks for `task_cpus` CPUs and threads or, where the cluster has GPUs, for `gpu_share` of
    one. Whatever ends this call ends the tasks.

    Raises:
        UserError: There is no cluster or no Ray, a node has other versions than this machine, a
            task has no memory, or was lost with its node five times.
    """
    ray = _connect(address)
    resources = ray.cluster_resources()
    num_nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    tasks = [
        _Task(
            job.training,
            fold,
            job.paths.fold(fold),
            _name(job, fold, alone=len(jobs) == 1),
            Listener(reporter),
        )
        for job in jobs
        for fold in job.folds
    ]
    reporter.line(f"{len(tasks)} networks on a cluster of {num_nodes} nodes")
    messages = _queue_at_home()
    home = library_versions(), processor_name()
    shared = {id(job.training): ray.put(job.training) for job in jobs}
    running: dict[Any, _Task] = {}

    def start(task: _Task) -> None:
        task.attempt += 1
        settings = task.training.settings
        wanted: dict[str, float] = {"num_cpus": settings.task_cpus}
        if resources.get("GPU") and settings.device in ("auto", "cuda"):
            wanted["num_gpus"] = settings.gpu_share
        remote = ray.remote(_train).options(max_retries=0, name=task.name, **wanted)
        ticket = (task.fold, task.name, task.attempt)
        training = shared[id(task.training)]
        running[remote.remote(training, ticket, task.files(), messages, home)] = task

    try:
        for task in tasks:
            start(task)
        while running:
            finished, _ = ray.wait(list(running), timeout=_POLL_S)
            _hear(messages, tasks)
            for reference in finished:
                task = running.pop(reference)
                try:
                    files = ray.get(reference)
                except ray.exceptions.RayError as error:
                    _look_into(error, task, reporter)
                    start(task)
                else:
                    task.take(files, last="oof.npz")
    except ray.exceptions.OutOfMemoryError:
        raise UserError(
            f"the cluster has no memory left; {tasks[0].training.what_to_lower}."
        ) from None
    except ray.exceptions.RayError as error:
        said = str(error).splitlines()[0]
        raise UserError(
            f"the cluster failed ({said}); look at `ray status`, then run the same command again. "
            "Finished epochs are kept."
        ) from None
    finally:
        for reference in running:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(reference, force=True)
        for task in tasks:
            task.listener.bars.close()
        with contextlib.suppress(ray.exceptions.RayError):
            messages.shutdown()


def _name(job: ClusterJob, fold: int, *, alone: bool) -> str:
    return fold_name(fold) if alone else f"{job.paths.folder.name}, {fold_name(fold)}"


@dataclass
class _Task:
    """One network, wherever it is being trained at the moment."""

    training: FoldTraining
    fold: int
    paths: FoldPaths
    name: str
    listener: Listener
    attempt: int = 0

    def files(self) -> dict[str, bytes]:
        """What it takes to go on with it: its last checkpoint, if there is one."""
        there = [path for path in (self.paths.checkpoint, self.paths.history) if path.exists()]
        return {path.name: path.read_bytes() for path in there}

    def take(self, files: dict[str, bytes], last: str = "") -> None:
        """Write what came home."""
        for name in sorted(files, key=lambda each: each == last):
            with replacing(self.paths.folder / name) as temporary:
                temporary.write_bytes(files[name])


def _connect(address: str) -> Any:
    """Ray, connected to the cluster, with this package's code sent along."""
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError(
            f"CLUSTER={address} needs Ray: `.venv/bin/pip install -c requirements.lock "
            "'.[cluster]'`, on every node."
        ) from None
    if ray.is_initialized():
        return ray
    _knock(address)
    passed = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "NO_ALBUMENTATIONS_UPDATE")
    runtime_env = {
        "py_modules": [str(_PACKAGE)],
        "env_vars": {name: os.environ[name] for name in passed if name in os.environ},
    }
    for num_left in reversed(range(_CONNECTIONS)):
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env=runtime_env,
            )
            break
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            # A head answers a while before it can take code: until then it breaks off.
            if not (num_left and isinstance(error, ConnectionAbortedError)):
                raise _nobody(address, error) from None
            ray.shutdown()
            time.sleep(_PAUSE_S)
    return ray


def _knock(address: str) -> None:
    """Refuse an address where nobody listens, which Ray would wait for, for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=5.0).close()
        except OSError as error:
            raise _nobody(address, error) from None


def _nobody(address: str, error: Exception) -> UserError:
    # Where Ray quotes a traceback of its head, what happened stands at the end.
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = lines[-1] if lines[0].endswith(":") else lines[0]
    return UserError(
        f"CLUSTER={address}: no Ray cluster answers there ({said}); start one by "
        "`ray start --head`, or leave CLUSTER out to train here."
    )


def _queue_at_home() -> Any:
    """A queue on the head node, so that no other node's loss takes it away."""
    from ray.util.queue import Queue

    head = {"node:__internal_head__": 0.001}
    return Queue(actor_options={"num_cpus": 0, "resources": head})


def _hear(messages: Any, tasks: Sequence[_Task]) -> None:
    """Show and keep all that was said; what a lost task said last may still come, and is let go."""
    by_name = {task.name: task for task in tasks}
    for name, attempt, message in messages.get_nowait_batch(messages.qsize()):
        task = by_name[name]
        if attempt != task.attempt:
            continue
        if message[0] == "files":
            task.take(message[1])
        else:
            task.listener.hear(*message)


def _look_into(error: Exception, task: _Task, reporter: Reporter) -> None:
    """Return if a lost task may be tried again; else raise what it died of."""
    from ray import exceptions

    if isinstance(error, exceptions.RayTaskError):
        if isinstance(error.cause, UserError):
            raise error.cause
        said = (str(error.cause).splitlines() or [""])[0]
        what = type(error.cause).__name__
        raise UserError(
            f"the training of {task.name} failed ({what}: {said}); leave CLUSTER out to see where."
        )
    if isinstance(error, exceptions.OutOfMemoryError):
        raise error
    if task.attempt >= _ATTEMPTS:
        raise UserError(
            f"the training of {task.name} was lost {task.attempt} times ({type(error).__name__}); "
            "look at `ray status`. Finished epochs are kept."
        )
    task.listener.bars.close()
    reporter.line(f"{task.name}: its node was lost; it goes on from its last epoch on another")


# ---- On a node


def _train(
    training: FoldTraining,
    ticket: tuple[int, str, int],
    files: dict[str, bytes],
    messages: Any,
    home: tuple[dict[str, str], str],
) -> dict[str, bytes]:
    """Train one network from what came along; return what it leaves."""
    fold, name, attempt = ticket
    (versions, processor), mine = home, library_versions()
    if other := [key for key in versions if mine.get(key) != versions[key]]:
        told = ", ".join(f"{key} {mine.get(key, 'none')} for {versions[key]}" for key in other)
        raise UserError(
            f"node {platform.node()} has {told}; install there what requirements.lock names."
        )
    torch.set_num_threads(training.settings.task_cpus)
    device = choose_device(training.settings.device, training.settings.precision)
    with tempfile.TemporaryDirectory() as folder:
        paths = FoldPaths(Path(folder, "fold"))
        paths.folder.mkdir()
        for file, content in files.items():
            paths.folder.joinpath(file).write_bytes(content)
        reporter = _FarReporter(messages, name, attempt, paths)
        if (here := processor_name()) != processor and device.torch.type == "cpu":
            reporter.line(f"on another processor, {here}: the last bits of weights may differ")
        with advising_on_memory(training.what_to_lower):
            replace(training, device=device).train(fold, paths, reporter)
        left = [path for path in paths.folder.iterdir() if path != paths.checkpoint]
        return {path.name: path.read_bytes() for path in left}


class _FarReporter(RemoteReporter):
    """Sends lines home, each after the checkpoint that it tells of; steps, a few times a second."""

    def __init__(self, messages: Any, name: str, attempt: int, paths: FoldPaths) -> None:
        super().__init__(lambda message: messages.put((name, attempt, message)), name)
        self._paths = paths
        self._sent = paths.checkpoint.stat().st_mtime_ns if paths.checkpoint.exists() else 0
        self._steps, self._spoke_at = 0, 0.0

    def line(self, text: str) -> None:
        checkpoint, history = self._paths.checkpoint, self._paths.history
        if checkpoint.exists() and checkpoint.stat().st_mtime_ns != self._sent:
            self._sent = checkpoint.stat().st_mtime_ns
            files = {path.name: path.read_bytes() for path in (checkpoint, history)}
            self._send(("files", files))
        super().line(text)

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator["_FarReporter"]:
        with super().bar(label, total):
            yield self
            super().advance(self._steps)
            self._steps = 0

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._steps += amount
        if time.monotonic() - self._spoke_at > _BAR_S:
            super().advance(self._steps, note)
            self._steps, self._spoke_at = 0, time.monotonic()
