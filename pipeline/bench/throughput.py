"""How much of the machine a training uses: its arithmetic beside that of large convolutions."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection

import torch
import torch.nn.functional as F
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.augment.helper_process import HelperProcess
from pipeline.bench.figures import Figure, Figures, new_table, show_spread
from pipeline.bench.rates import Measure, alone, calls_per_s, interleave, training_rate
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.folds import NUM_FOLDS
from pipeline.networks import create_model, fitting_models
from pipeline.runs.spec import RunSpec
from pipeline.training.device import Device, choose_device
from pipeline.training.processes import choose_num_jobs, share_threads

Convolution = tuple[int, int, int, int]
"""Images, channels in and out, side of an image, side of the kernel."""
# Large enough to fill a GPU; three, as no shape is the best one everywhere.
_LARGE: Sequence[Convolution] = ((64, 128, 28, 5), (64, 256, 28, 3), (64, 512, 14, 3))


def measure_throughput(
    spec: RunSpec,
    reporter: Reporter,
    *,
    num_rounds: int = 5,
    seconds: float = 0.4,
    convolutions: Sequence[Convolution] = _LARGE,
) -> Figures:
    """Measure every network alone, and a preset with its recipe, once and several at once.

    Networks alone are trained under the preset's settings. Each is measured `num_rounds` times, for
    so many seconds at least: convolutions in FLOP/s, trainings in images/s, all images of several.
    """
    device = choose_device(spec.settings.device, spec.settings.precision)
    preset = replace(spec, name=f"preset {spec.preset}")
    models = fitting_models(get_competition(spec.settings.competition).image_shape)
    measures = [convolution_measure(each, device, seconds) for each in convolutions]
    for each in (*(alone(spec, model) for model in models), preset):
        measures.append(_training_measure(each, training_rate(each, seconds)))
    with ExitStack() as processes:
        if (num := num_at_once(device)) > 1:
            several = replace(spec, name=f"{preset.name} ×{num}")
            rate = processes.enter_context(training_rate_at_once(several, seconds, num))
            rate()  # from here on they are ready, and take nothing from those that train alone
            measures.append(_training_measure(several, rate))
        return interleave(measures, num_rounds, device, "throughput", reporter)


def _training_measure(spec: RunSpec, rate: Callable[[], float]) -> Measure:
    settings = spec.settings
    competition = get_competition(settings.competition)
    shape, num_classes = competition.image_shape, competition.num_classes
    model = create_model(settings.model, shape, num_classes, settings.dropout)
    facts = {
        "batch_size": settings.batch_size,
        "flops_per_image": training_flops(model, shape),  # the augmentation's are not counted
    }
    return Measure({"training": spec.name, "recipe": settings.augment}, "images/s", rate, facts)


def training_flops(model: nn.Module, image_shape: tuple[int, int, int]) -> float:
    """Return the floating-point operations of one image in a training step, forward and backward.

    A multiply-add is two operations. PyTorch's own counter counts convolutions and matrix products
    as they run, so the first layer, which passes no gradient to the image, counts twice and not
    three times. The network is on the CPU, the shape (C, H, W).
    """
    images = torch.zeros(2, *image_shape)
    with FlopCounterMode(display=False) as counter:
        loss = F.cross_entropy(model(images), torch.zeros(len(images), dtype=torch.int64))
        loss.backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops() / len(images))


def convolution_measure(convolution: Convolution, device: Device, seconds: float) -> Measure:
    """Return what measures a convolution that keeps its images' size, forward and backward."""
    batch, channels, side, kernel = convolution
    layer = nn.Conv2d(channels, channels, kernel, padding="same", bias=False).to(device.torch)
    # torch's own type hints lack `memory_format` alone.
    layer = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn((batch, channels, side, side), device=device.torch)
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_()

    def step() -> None:
        images.grad = layer.weight.grad = None
        with device.autocast():
            output = layer(images)
        output.backward(torch.ones_like(output))

    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops()
    name = f"{channels}→{channels} {kernel}×{kernel}, {batch}×{side}×{side}"
    return Measure({"convolution": name}, "FLOP/s", lambda: flops * calls_per_s(step, seconds))


def num_at_once(device: Device) -> int:
    """Return how many networks to measure at once: as many as `make cv` trains.

    On a GPU it is a few, as one alone leaves it mostly idle.
    """
    return 4 if device.torch.type == "cuda" else choose_num_jobs("auto", device, NUM_FOLDS)


@contextlib.contextmanager
def training_rate_at_once(spec: RunSpec, seconds: float, num: int) -> Iterator[Callable[[], float]]:
    """Give what measures the images/s of `num` networks together; their processes end with it.

    Each has its share of the threads, as folds that are trained at once. The first value is of no
    use, as one process is ready before another.
    """
    context = multiprocessing.get_context("spawn")
    helpers, questions = [], []
    for _ in range(num):
        asked, question = context.Pipe(duplex=False)
        arguments = (spec, seconds, share_threads(num), asked)
        helper = HelperProcess.start(
            context,
            _measure_when_asked,
            arguments,
            what="a training process of the benchmark",
            advice="end other programs and run it again",
        )
        helpers.append(helper)
        asked.close()
        questions.append(question)

    def measure() -> float:
        for question in questions:
            with contextlib.suppress(BrokenPipeError):  # it died: not to be heard says of what
                question.send("how fast?")
        return float(sum(helper.hear() for helper in helpers))

    try:
        yield measure
    finally:
        for question in questions:
            question.close()


def _measure_when_asked(
    spec: RunSpec, seconds: float, num_threads: int, asked: Connection, answers: Connection
) -> None:
    """The whole life of a process."""
    torch.set_num_threads(num_threads)
    measure = training_rate(spec, seconds)
    with contextlib.suppress(EOFError, ConnectionError):  # until nobody asks any more
        while asked.recv():
            answers.send(measure())


def throughput_table(figures: Figures) -> Table:
    """Return each training's rate and its share of the yardstick, the fastest convolution."""
    convolutions = [each for each in figures.figures if each.unit == "FLOP/s"]
    yardstick = max(convolutions, key=lambda each: each.median)
    table = new_table(
        f"Training throughput, {figures.conditions}",
        "share: of the operations per second of the fastest of "
        f"{len(convolutions)} large convolutions in the same precision, forward and "
        f"backward ({yardstick.what['convolution']}: {yardstick.median / 1e12:.2f} TFLOP/s); "
        "MFLOP: of one image, forward and backward; ×N: N at once, each in a process with its "
        "share of the threads, as folds are trained; median of "
        f"{len(yardstick.values)} rounds, ± half their range",
        ("training", "recipe"),
        ("batch", "MFLOP", "images/s", "share"),
    )
    for training in figures.figures[len(convolutions) :]:
        table.add_row(
            training.what["training"],
            training.what["recipe"],
            f"{training.facts['batch_size']}",
            f"{training.facts['flops_per_image'] / 1e6:.1f}",
            training.show(),
            show_spread(share(training, yardstick), ".1%"),
        )
    return table


def share(training: Figure, yardstick: Figure) -> list[float]:
    """Return a training's operations per second by the yardstick's, round by round."""
    flops = training.facts["flops_per_image"]
    pairs = zip(training.values, yardstick.values, strict=True)
    return [flops * rate / most for rate, most in pairs]
