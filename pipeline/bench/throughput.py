"""How much of the machine a training uses: its arithmetic beside that of large convolutions."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import albumentations as A
import torch
import torch.nn.functional as F
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.augment.registry import serialise
from pipeline.bench.at_once import num_at_once, training_rate_at_once
from pipeline.bench.augment_engines import wait
from pipeline.bench.figures import Conditions, Figures, Series
from pipeline.bench.rates import TrainingRate, interleave
from pipeline.bench.tables import new_table
from pipeline.console import Reporter
from pipeline.data.competition import Competition
from pipeline.networks import MODELS, create_model
from pipeline.runs.spec import RunSpec
from pipeline.settings.fields import Settings
from pipeline.training.device import Device


@dataclass(frozen=True)
class Convolution:
    """A convolution that keeps the images' size and channels.

    Attributes:
        batch: Images.
        channels: In and out.
        side: Height and width of the images.
        kernel: Height and width of the kernel, odd.
    """

    batch: int
    channels: int
    side: int
    kernel: int

    @property
    def flops(self) -> int:
        """Operations of the output and of the gradients of images and weights, two per product."""
        return 3 * 2 * self.batch * (self.channels * self.side * self.kernel) ** 2

    def __str__(self) -> str:
        channels, kernel, side = self.channels, self.kernel, self.side
        return f"{channels}→{channels} {kernel}×{kernel}, {self.batch}×{side}×{side}"


# Large enough to fill a GPU; three, as no shape is the best one everywhere.
_LARGE = (Convolution(64, 128, 28, 5), Convolution(64, 256, 28, 3), Convolution(64, 512, 14, 3))


class ConvolutionFigures(Figures):
    """One large convolution, forward and backward.

    Attributes:
        name: Its sizes, in words.
        flops_per_s: Floating-point operations per second.
    """

    name: str
    flops_per_s: Series


class TrainingFigures(Figures):
    """One training, or several at once.

    Attributes:
        name: A network's or a preset's name; with "×2" if two of it are trained at once.
        recipe: The augmentation recipe's name; "none" measures the network alone.
        batch_size: Images per step.
        flops_per_image: Floating-point operations of one image, forward and backward; the
            augmentation's are not counted.
        images_per_s: Its rate, or that of all at once together, augmentation included.
    """

    name: str
    recipe: str
    batch_size: int
    flops_per_image: float
    images_per_s: Series


class ThroughputFigures(Figures):
    """All trainings beside the convolutions, measured in the same rounds.

    Attributes:
        conditions: Device and precision.
        convolutions: The yardstick is the one with the highest median.
        trainings: Networks alone, presets, and presets several times at once.
    """

    conditions: Conditions
    convolutions: tuple[ConvolutionFigures, ...]
    trainings: tuple[TrainingFigures, ...]

    @property
    def yardstick(self) -> ConvolutionFigures:
        """The fastest convolution."""
        return max(self.convolutions, key=lambda each: each.flops_per_s.median)

    def share(self, training: TrainingFigures) -> Series:
        """Return a training's operations per second by the yardstick's, round by round."""
        pairs = zip(training.images_per_s.values, self.yardstick.flops_per_s.values, strict=True)
        return Series(values=tuple(rate * training.flops_per_image / most for rate, most in pairs))


def measure_throughput(
    presets: Mapping[str, RunSpec],
    settings: Settings,
    competition: Competition,
    device: Device,
    reporter: Reporter,
    *,
    num_rounds: int = 5,
    seconds: float = 0.4,
    convolutions: tuple[Convolution, ...] = _LARGE,
) -> ThroughputFigures:
    """Measure every network alone, and every preset with its recipe, once and several at once.

    Args:
        presets: Presets to measure, resolved, by name.
        settings: Batch size, dropout and optimiser of the networks alone.
        competition: Decides the images' shape.
        device: Where to compute.
        reporter: Shows the progress.
        num_rounds: Times that each is measured.
        seconds: How long each time at least.
        convolutions: The candidates for the yardstick.
    """
    plain = serialise(A.Compose([]), "none")
    trainings: dict[str, tuple[Settings, str]] = {
        name: (settings.model_copy(update={"model": name, "augment": "none"}), plain)
        for name in MODELS
    }
    for name, spec in presets.items():
        trainings[f"preset {name}"] = (spec.settings, spec.recipe)
    measures: dict[str, Callable[[], float]] = {
        str(each): _ConvolutionRate(each, device, seconds) for each in convolutions
    }
    for name, (own, recipe) in trainings.items():
        measures[name] = TrainingRate(own, recipe, device, competition, seconds=seconds)
    with ExitStack() as processes:
        if (num := num_at_once(device)) > 1:
            for name, spec in presets.items():
                measured = f"preset {name} ×{num}"
                trainings[measured] = (spec.settings, spec.recipe)
                measures[measured] = processes.enter_context(
                    training_rate_at_once(
                        *trainings[measured], device, competition, seconds=seconds, num=num
                    )
                )
        with reporter.bar("throughput", (num_rounds + 1) * len(measures)) as bar:
            rates = interleave(measures, num_rounds, bar)
    return ThroughputFigures(
        conditions=Conditions.of(device),
        convolutions=tuple(
            ConvolutionFigures(name=str(each), flops_per_s=rates[str(each)])
            for each in convolutions
        ),
        trainings=tuple(
            TrainingFigures(
                name=name,
                recipe=own.augment,
                batch_size=own.batch_size,
                flops_per_image=training_flops(
                    create_model(
                        own.model, competition.image_shape, competition.num_classes, own.dropout
                    ),
                    competition.image_shape,
                ),
                images_per_s=rates[name],
            )
            for name, (own, _) in trainings.items()
        ),
    )


def training_flops(model: nn.Module, image_shape: tuple[int, int, int]) -> float:
    """Return the floating-point operations of one image in a training step, forward and backward.

    A multiply-add is two operations. PyTorch's own counter counts convolutions and matrix products
    as they run, so the first layer, which passes no gradient to the image, counts twice and not
    three times.

    Args:
        model: A network on the CPU.
        image_shape: (C, H, W).
    """
    images = torch.zeros(2, *image_shape)
    with FlopCounterMode(display=False) as counter:
        loss = F.cross_entropy(model(images), torch.zeros(len(images), dtype=torch.int64))
        loss.backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops() / len(images))


class _ConvolutionRate:
    """Measures floating-point operations per second of one convolution, forward and backward."""

    def __init__(self, convolution: Convolution, device: Device, seconds: float) -> None:
        layer = nn.Conv2d(
            convolution.channels,
            convolution.channels,
            convolution.kernel,
            padding=convolution.kernel // 2,
            bias=False,
        ).to(device.torch)
        # torch's own type hints lack `memory_format` alone.
        self._layer = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.randn(
            (convolution.batch, convolution.channels, convolution.side, convolution.side),
            device=device.torch,
        )
        self._images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
        self._gradient = torch.ones_like(self._images)
        self._flops, self._device, self._seconds = convolution.flops, device, seconds

    def __call__(self) -> float:
        wait(self._device.torch)
        calls, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < self._seconds or calls == 0:
            for _ in range(5 if self._device.torch.type == "cuda" else 1):
                self._step()
                calls += 1
            wait(self._device.torch)
        return calls * self._flops / elapsed

    def _step(self) -> None:
        with self._device.autocast():
            output = self._layer(self._images)
        gradient = self._gradient.to(output.dtype)
        torch.autograd.grad(output, (self._images, self._layer.weight), gradient)


def throughput_table(figures: ThroughputFigures) -> Table:
    """Return each training's rate and its share of the yardstick."""
    yardstick = figures.yardstick
    table = new_table(
        f"Training throughput, {figures.conditions}",
        "share: of the operations per second of the fastest of "
        f"{len(figures.convolutions)} large convolutions in the same precision, forward and "
        f"backward ({yardstick.name}: {yardstick.flops_per_s.median / 1e12:.2f} TFLOP/s); "
        "MFLOP: of one image, forward and backward; ×N: N at once, each in a process with its "
        "share of the threads, as folds are trained; median of "
        f"{len(yardstick.flops_per_s.values)} rounds, ± half their range",
        ("training", "recipe"),
        ("batch", "MFLOP", "images/s", "share"),
    )
    for training in figures.trainings:
        table.add_row(
            training.name,
            training.recipe,
            str(training.batch_size),
            f"{training.flops_per_image / 1e6:.1f}",
            training.images_per_s.show(),
            figures.share(training).show(".1%"),
        )
    return table
