"""No memory left, under every name that libraries give it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.networks import create_model
from pipeline.training.device import choose_device
from pipeline.training.inference import predict_logits, predict_run
from pipeline.training.memory import is_out_of_memory
from pipeline.training.run import train_run as train
from pipeline.training.trainer import Trainer
from tests import tiny

REPOSITORY = Path(__file__).parents[1]
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 1, 28, 28), np.uint8)

NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total"),
    RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("CUDA error: CUSPARSE_STATUS_INSUFFICIENT_RESOURCES when calling `x`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1.49 GiB, other allocations: 6 GiB)."),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 4000000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 160 bytes."),
    RuntimeError("unable to mmap 4194304 bytes from file <x>: Cannot allocate memory (12)"),
    RuntimeError("std::bad_alloc"),
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(np.float64)),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]
OTHERS = [
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    OSError(errno.ENOSPC, "No space left on device"),
    ValueError("out of memory is what a recipe may say"),
    UserError("no memory was left"),
]


def name_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:60]


class MemoryFor(nn.Module):
    """Stands for a device that holds a batch of at most so many images."""

    def __init__(self, limit: int, error: Exception) -> None:
        super().__init__()
        self.limit, self.error = limit, error
        self.batches: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(images))
        if len(images) > self.limit:
            raise self.error
        return images.flatten(1)[:, :10]


def predict(model: nn.Module, batch_size: int, done: list[int]) -> np.ndarray:
    preprocessing, device = Preprocessing(0.0, 1.0), choose_device("cpu", "float32")
    return predict_logits(
        model, IMAGES, preprocessing, device, batch_size=batch_size, on_batch=done.append
    )


@pytest.mark.parametrize("error", NO_MEMORY, ids=name_of)
def test_a_batch_too_large_for_the_device_is_halved_until_it_fits(error):
    assert is_out_of_memory(error)
    model, done = MemoryFor(9, error), []
    logits = predict(model, 32, done)
    assert logits.tolist() == IMAGES.reshape(50, -1)[:, :10].tolist()
    assert model.batches == [32, 16, 8, 8, 8, 8, 8, 8, 2]
    assert sum(done) == 50


@pytest.mark.parametrize("error", OTHERS, ids=name_of)
def test_what_is_no_want_of_memory_is_not_taken_for_it(error):
    assert not is_out_of_memory(error)
    model = MemoryFor(9, error)
    with pytest.raises(type(error)) as raised:
        predict(model, 32, [])
    assert raised.value is error
    assert model.batches == [32]


def test_a_device_without_memory_for_one_image_is_an_error():
    with pytest.raises(UserError, match="no memory left for a single image; end other programs"):
        predict(MemoryFor(0, NO_MEMORY[0]), 4, [])


@pytest.mark.parametrize("error", NO_MEMORY, ids=name_of)
def test_a_training_without_memory_says_what_to_lower(tiny_workspace, monkeypatch, error):
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(Trainer, "_loss", fail)
    spec = tiny.spec(tiny_workspace, folds="0,1", jobs=1)
    with pytest.raises(
        UserError, match=r"^no memory was left \(.+\); .*SET=\"batch_size=8\".*JOBS=1.*kept\.$"
    ) as told:
        train(spec, tiny_workspace, tiny.Lines())
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 350


def test_a_device_without_memory_for_the_network_itself_is_told_too(tiny_workspace, monkeypatch):
    spec = tiny.spec(tiny_workspace, epochs=1)
    train(spec, tiny_workspace, tiny.Lines())

    def fail(*arguments: object) -> None:
        raise NO_MEMORY[3]

    monkeypatch.setattr(type(create_model("dropout_cnn", (1, 28, 28), 10, 0.0)), "to", fail)
    with pytest.raises(UserError, match=r"no memory was left \(CUDA error: CUBLAS.*DEVICE=cpu"):
        predict_run("tiny", spec.settings, tiny_workspace, tiny.Lines())


WITH_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import albumentations, pipeline.training.run
from pipeline.__main__ import main
pages = int(Path("/proc/self/statm").read_text().split()[0])
here = pages * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (here + 100_000_000, here + 100_000_000))
sys.exit(main())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to limit memory")
def test_a_process_that_is_given_no_memory_ends_in_one_sentence(tiny_workspace):
    knobs = ("--device", "cpu", "--model", "resnet", "--augment", "none", "--run", "large")
    done = subprocess.run(
        [sys.executable, "-c", WITH_LITTLE_MEMORY, "train", *knobs, "--set", "batch_size=180"],
        cwd=tiny_workspace.root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no memory was left ("), done.stderr
    assert 'SET="batch_size=90"' in done.stderr
    assert done.stderr.count("\n") == 1
    assert not any(tiny_workspace.run("large").folder.rglob("*.safetensors"))
