"""The training loop."""

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pipeline.augment.epochs import Batch
from pipeline.data.labelled_images import LabelledImages
from pipeline.data.preprocessing import Preprocessing
from pipeline.data.randomness import derive_seed
from pipeline.errors import UserError
from pipeline.networks.layers import Classifier
from pipeline.networks.views import with_views
from pipeline.runs.history import EpochNumbers
from pipeline.runs.scoring import count_correct
from pipeline.settings.fields import Settings
from pipeline.training.device import Device
from pipeline.training.inference import predict_logits, softmax
from pipeline.training.optimizer import create_optimizer, learning_rate_at
from pipeline.training.threads import Threads


class Diverged(UserError):
    """A loss that is no number, which no further training mends.

    It first appeared in that epoch, counted from 1, in that step, counted from 0; in none if all
    steps were sound and what they ended in is not.
    """

    def __init__(self, epoch: int, step: int | None) -> None:
        self.epoch, self.step = epoch, step
        self.where = f"epoch {epoch}, "
        self.where += "after its last step" if step is None else f"step {step + 1}"
        super().__init__(f"{self.where}: the loss is no number any more.")


class Trainer:
    """One network in training. Its whole state can be taken out and put back between epochs.

    On a CPU, the same settings, batches and number of threads give the same weights bit for bit,
    whatever was put back where. Another number of threads, which `threads` takes beside other
    programs, adds in another order (weights differ by up to 8e-6 after nine steps), and so do
    CUDA's kernels: there weights agree closely, not exactly.
    """

    def __init__(
        self,
        model: Classifier,
        preprocessing: Preprocessing,
        settings: Settings,
        device: Device,
        *,
        steps_per_epoch: int,
        stream: int,  # the fold: tells the random numbers of dropout from other trainings'
    ) -> None:
        model = model.to(device.torch)
        # torch's own type hints lack `memory_format` alone.
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.preprocessing = preprocessing
        self._settings = settings
        self._device = device
        self._steps_per_epoch = steps_per_epoch
        self._optimizer = create_optimizer(self.model.parameters(), settings)
        # The gradients of float16 vanish unless they are scaled up; other precisions need nothing.
        self._scaler = torch.amp.GradScaler(
            device.torch.type, enabled=device.dtype == torch.float16
        )
        self._averaged: Classifier | None = copy.deepcopy(self.model) if settings.ema else None
        self.threads = Threads()
        self.history: list[EpochNumbers] = []
        torch.manual_seed(derive_seed(settings.seed, "dropout", stream))

    @property
    def final_model(self) -> Classifier:
        """The network that predicts: of averaged weights if `ema` is on, else the trained one."""
        return self.model if self._averaged is None else self._averaged

    @property
    def num_epochs_done(self) -> int:
        """Finished epochs."""
        return len(self.history)

    def state(self) -> dict[str, Any]:
        """Return everything that going on needs: tensors and plain values only."""
        cuda = [torch.cuda.get_rng_state()] if self._device.torch.type == "cuda" else []
        return {
            "model": self.model.state_dict(),
            "averaged": {} if self._averaged is None else self._averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "rng": {"cpu": torch.get_rng_state(), "cuda": cuda},
            "history": [asdict(numbers) for numbers in self.history],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned, possibly on another device.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: It is not such a state.
        """
        self.model.load_state_dict(state["model"])
        if self._averaged is not None:
            self._averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._scaler.is_enabled() and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["rng"]["cpu"].cpu())
        if state["rng"]["cuda"] and self._device.torch.type == "cuda":
            torch.cuda.set_rng_state(state["rng"]["cuda"][0].cpu())
        self.history = [EpochNumbers(**numbers) for numbers in state["history"]]

    def run_epoch(
        self,
        batches: Iterable[Batch],
        valid: LabelledImages,
        on_batch: Callable[[int, str], None] = lambda num_images, note: None,
    ) -> EpochNumbers:
        """Train on an epoch's batches, then validate on the held-out images, if there are any.

        `on_batch` is called after each step with its number of images and, on a CPU, the mean loss
        of the epoch so far, in words. A loss that is no number raises `Diverged`: on a CPU at that
        step, elsewhere when the epoch is over.
        """
        start = time.perf_counter()
        on_cpu = self._device.torch.type == "cpu"
        loss_sum = torch.zeros((), device=self._device.torch)
        losses: list[Tensor] = []
        num_images = 0
        learning_rate = 0.0
        self.model.train()
        first_step = self.num_epochs_done * self._steps_per_epoch
        with self.threads.in_use():
            for step, (images, labels) in enumerate(batches, first_step):
                if on_cpu:
                    self.threads.before_step(partial(self._rehearsal, images, labels))
                learning_rate = learning_rate_at(step, self._steps_per_epoch, self._settings)
                for group in self._optimizer.param_groups:
                    group["lr"] = learning_rate
                loss = self._loss(self.model, images, labels)
                self._optimizer.zero_grad(set_to_none=True)
                self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                self._scaler.step(self._optimizer)
                self._scaler.update()
                # Summed on the device: reading a loss makes the host wait for it at every step.
                losses.append(loss.detach())
                loss_sum += losses[-1] * len(images)
                self._average_weights(step)
                num_images += len(images)
                note = ""
                if on_cpu:
                    if not math.isfinite(mean := float(loss_sum) / num_images):
                        break
                    note = f"loss {mean:.4f}"
                on_batch(len(images), note)
        train_loss = float(loss_sum) / num_images
        epoch = self.num_epochs_done + 1
        if not math.isfinite(train_loss):
            raise Diverged(epoch, [math.isfinite(loss) for loss in losses].index(False))
        trained = time.perf_counter()
        valid_loss, valid_correct = self._validate(valid) if len(valid) else (math.nan, 0)
        if (len(valid) and not math.isfinite(valid_loss)) or not self._is_finite():
            raise Diverged(epoch, None)
        numbers = EpochNumbers(
            epoch=epoch,
            train_loss=train_loss,
            valid_loss=valid_loss,
            valid_correct=valid_correct,
            valid_total=len(valid),
            learning_rate=learning_rate,
            elapsed_s=time.perf_counter() - start,
            images_per_s=num_images / (trained - start),
        )
        self.history.append(numbers)
        return numbers

    def _is_finite(self) -> bool:
        """Whether the weights that predict are numbers: no loss follows the last step of all."""
        return all(bool(each.isfinite().all()) for each in self.final_model.state_dict().values())

    def _rehearsal(self, images: Tensor, labels: Tensor) -> Callable[[], None]:
        """What computes as a step does, without a trace in the network or in random numbers."""
        model = copy.deepcopy(self.model)

        def step() -> None:
            with torch.random.fork_rng(devices=[]):
                self._loss(model, images, labels).backward()  # type: ignore[no-untyped-call]

        return step

    def _loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The batch's mean cross-entropy, on the device."""
        images = images.to(self._device.torch, non_blocking=True)
        labels = labels.to(self._device.torch, non_blocking=True)
        inputs = self.preprocessing(images).contiguous(memory_format=torch.channels_last)
        with self._device.autocast():
            logits = model(inputs)
        return F.cross_entropy(
            logits.float(), labels, label_smoothing=self._settings.label_smoothing
        )

    def _average_weights(self, step: int) -> None:
        """Move the averaged network towards the trained one, batch-norm statistics included.

        The decay grows from 0 with the steps, as in TensorFlow's `ExponentialMovingAverage`, or the
        average would remember its random beginning for thousands of steps.
        """
        if self._averaged is None:
            return
        decay = min(self._settings.ema, (1 + step) / (10 + step))
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        averaged, trained = self._averaged.state_dict(), self.model.state_dict()
        moving = [name for name, value in averaged.items() if value.is_floating_point()]
        update([averaged[name] for name in moving], [trained[name] for name in moving], step)
        for name in averaged.keys() - set(moving):  # batch norm's count of batches
            averaged[name].copy_(trained[name])

    def predict_logits(
        self, images: npt.NDArray[np.uint8], *, views: str = "one"
    ) -> npt.NDArray[np.float32]:
        """Return the network's logits, float32 (N, K), of images uint8 (N, C, H, W)."""
        return predict_logits(
            with_views(self.final_model, views),
            images,
            self.preprocessing,
            self._device,
            batch_size=self._settings.predict_batch_size,
        )

    def _validate(self, valid: LabelledImages) -> tuple[float, int]:
        """The mean cross-entropy of the held-out images, and how many are classified correctly."""
        logits = self.predict_logits(valid.images)
        labels = torch.from_numpy(valid.labels.astype(np.int64))
        loss = F.cross_entropy(torch.from_numpy(logits), labels)
        return float(loss), count_correct(softmax(logits), valid.labels).correct
