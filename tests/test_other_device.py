"""What a GPU would be asked to do, without one: on PyTorch's "meta" device.

Its tensors have a shape, a dtype and a device, but no values. So whatever would make the host wait
for a GPU's values fails there, and a tensor that was left behind on the CPU is noticed. It says
nothing of a GPU's arithmetic or speed.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module

import albumentations as A
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.augment.batched import compile_recipe, image_keys
from pipeline.augment.registry import build_recipe, serialise
from pipeline.bench.synthetic import synthetic_training
from pipeline.networks import MODELS
from pipeline.runs.spec import RunSpec
from pipeline.settings.presets import resolve
from pipeline.training.device import Device
from tests.augment.reference import CHANGE_SIZE
from tests.augment.test_pixels import CASES, IN_COLOUR
from tests.augment.test_recipe import ALL

META = torch.device("meta")


class StrictDevice(TorchDispatchMode):
    """Refuses operations on tensors of both devices, and counts the copies from the CPU.

    As on a GPU, a CPU tensor of no dimension is taken for a plain number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_copies = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        there = any(x.device == META for x in tensors)
        if there and any(x.device != META and x.dim() > 0 for x in tensors):
            raise RuntimeError(f"{function} mixes tensors of the CPU and of the device")
        self.num_copies += not there and bool(tensors) and kwargs.get("device") == META
        return function(*args, **kwargs)


def run_twice(recipe: A.Compose, num_channels: int = 1) -> int:
    """Augment two batches on the device; return the second one's copies from the CPU."""
    compiled = compile_recipe(recipe, num_channels=num_channels)
    with StrictDevice() as device:
        images = torch.zeros(8, num_channels, 28, 28, dtype=torch.uint8, device=META)
        rows = torch.arange(8, device=META)
        for epoch in range(2):
            device.num_copies = 0
            augmented = compiled(images, image_keys(3, epoch, rows), dtype=torch.float32)
    assert (augmented.device, augmented.dtype) == (META, torch.float32)
    assert augmented.shape == images.shape
    return device.num_copies


@pytest.mark.filterwarnings("ignore:ShiftScaleRotate")
@pytest.mark.parametrize(("transform", "arguments"), CASES)
@pytest.mark.parametrize("p", [1.0, 0.5])
def test_a_transform_keeps_to_its_device_and_never_waits_for_it(transform, arguments, p):
    assert run_twice(A.Compose([transform(**arguments, p=p)])) == 0


@pytest.mark.filterwarnings("ignore:ShiftScaleRotate")
@pytest.mark.parametrize(("transform", "arguments"), IN_COLOUR)
def test_a_transform_of_coloured_images_keeps_to_its_device(transform, arguments):
    back = [A.Resize(28, 28)] if issubclass(transform, CHANGE_SIZE) else []
    assert run_twice(A.Compose([transform(**arguments, p=1), *back]), num_channels=3) == 0


def test_combinators_keep_to_their_device_and_never_wait_for_it():
    assert run_twice(A.Compose(ALL)) == 0


@pytest.mark.parametrize("name", MODELS)
def test_an_epoch_waits_for_the_device_at_its_end_alone(name, monkeypatch):
    monkeypatch.setattr(Device, "autocast", lambda self: nullcontext())  # meta has none
    adam = import_module("torch.optim.adam")
    monkeypatch.setattr(adam, "_device_dtype_check_for_fused", lambda *args: None)
    knobs = {"model": name, "dropout": 0.1, "ema": 0.99, "batch_size": 8}
    recipe = serialise(build_recipe("strong"), "strong")
    training = synthetic_training(RunSpec("", "", resolve("standard", knobs), recipe), 40)
    training = replace(training, device=Device(META, dtype=torch.bfloat16, name="stand-in"))
    taken = []

    def watched(batches: Iterator) -> Iterator:
        for batch in batches:
            taken.append(len(batch[1]))
            yield batch

    with StrictDevice() as device:
        trainer, epochs = training.new_trainer(0, training.images)
        for epoch in range(2):
            taken.clear()
            device.num_copies = 0
            with pytest.raises(RuntimeError, match="cannot be called on meta tensors"):
                trainer.run_epoch(watched(epochs.iterate(epoch, epoch + 1)), training.images)
            assert taken == [8] * 5
        assert device.num_copies == 1, "the order of the images, once an epoch"
