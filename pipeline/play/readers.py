"""What the networks of a finished run make of images."""

import threading
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.networks.layers import Classifier
from pipeline.runs.probs import load_probs
from pipeline.runs.results import load_run_training_images, read_run
from pipeline.runs.workspace import Workspace
from pipeline.training.device import Device, choose_device
from pipeline.training.inference import (
    predict_features,
    predict_logits,
    restore_network,
    softmax,
)

_BATCH = 512

Images = npt.NDArray[np.uint8]
"""uint8 (N, C, H, W)."""


@dataclass(frozen=True)
class Network:
    """A network, its preprocessing, and the rows of `train.csv` that it was not trained on."""

    model: Classifier
    scale: Preprocessing
    held_out: npt.NDArray[np.int64]


@dataclass
class Reader:
    """The networks of a run or an ensemble, at hand.

    Attributes:
        run: Its name.
        members: Of each member, or of the run alone, the networks of its finished folds.
        num_threads: CPU threads to read with; torch keeps their number for each thread that asks.
    """

    run: str
    members: list[list[Network]]
    device: Device
    num_threads: int = 1
    _features: npt.NDArray[np.float32] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def unseen(self) -> npt.NDArray[np.int64]:
        """The rows of which every member has a network that was not trained on them."""
        rows = [np.concatenate([each.held_out for each in member]) for member in self.members]
        return reduce(np.intersect1d, rows)

    def probs(
        self, images: Images, rows: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the mean probabilities, (N, K): of a member's folds, then of the members.

        Images made from training images come with their `rows`, (N,): each is read by the networks
        alone that were not trained on it, if its member has any.
        """
        with self._lock:
            torch.set_num_threads(self.num_threads)
            members = [self._member_probs(member, images, rows) for member in self.members]
        mean: npt.NDArray[np.float64] = np.mean(members, axis=0)
        return mean

    def _member_probs(
        self, member: list[Network], images: Images, rows: npt.NDArray[np.int64] | None
    ) -> npt.NDArray[np.float64]:
        asked = np.ones((len(member), len(images)), bool)
        if rows is not None:
            asked = np.array([np.isin(rows, each.held_out) for each in member])
            asked[:, ~asked.any(axis=0)] = True
        total: Any = 0.0
        for network, own in zip(member, asked, strict=True):
            if own.any():
                logits = predict_logits(
                    network.model, images[own], network.scale, self.device, batch_size=_BATCH
                )
                probs = np.zeros((len(images), logits.shape[1]))
                probs[own] = softmax(logits)
                total = total + probs
        mean: npt.NDArray[np.float64] = total / asked.sum(axis=0)[:, None]
        return mean

    def nearest(self, image: Images, train_images: Images, count: int) -> npt.NDArray[np.int64]:
        """Return the rows of the training images nearest to one (1, C, H, W), the nearest first.

        Nearest in the last hidden layer of the first network, by the angle between activations.
        The first call reads all training images, which takes seconds; so call it in a thread.
        """
        if self._features is None:
            parts = []
            for start in range(0, len(train_images), _BATCH):
                parts.append(self._feature(train_images[start : start + _BATCH]))
            self._features = np.concatenate(parts)
        closeness = self._features @ self._feature(image)[0]
        rows: npt.NDArray[np.int64] = np.argsort(-closeness, kind="stable")[:count]
        return rows

    def _feature(self, images: Images) -> npt.NDArray[np.float32]:
        first = self.members[0][0]
        with self._lock:
            torch.set_num_threads(self.num_threads)
            found = predict_features(
                first.model, images, first.scale, self.device, batch_size=_BATCH
            )
        length = np.linalg.norm(found, axis=1, keepdims=True)
        unit: npt.NDArray[np.float32] = found / np.maximum(length, 1e-12)
        return unit


def open_reader(run: str, workspace: Workspace, num_threads: int) -> Reader:
    """Load the networks of a run or an ensemble, to read with so many CPU threads.

    Raises:
        UserError: There is no such run, nothing of it is finished, its data are others now, or a
            file is damaged.
    """
    record = read_run(run, workspace)
    images, _ = load_run_training_images(record, workspace)
    device = choose_device()
    members = []
    for name in record.member_names or [run]:
        paths = workspace.run(name)
        folds = paths.finished_folds()
        if not folds:
            raise UserError(f"run {name} has no finished fold yet: `make train RUN={name}`.")
        members.append(
            [
                Network(
                    *restore_network(paths.fold(fold), images, device),
                    load_probs(paths.fold(fold).oof).ids,
                )
                for fold in folds
            ]
        )
    return Reader(run, members, device, num_threads)


def finished_runs(workspace: Workspace, competition: str) -> list[str]:
    """Return the names of the runs and ensembles of a competition that can read, newest first."""
    names = []
    for paths in sorted(workspace.runs(), key=lambda paths: -paths.changed_at()):
        try:
            record = read_run(paths.folder.name, workspace)
            members = record.member_names or [record.run]
            if record.competition == competition and all(
                workspace.run(name).finished_folds() for name in members
            ):
                names.append(record.run)
        except UserError:  # a damaged one; the table of runs says so
            continue
    return names
