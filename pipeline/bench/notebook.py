"""The training that the competition's notebooks do, as plainly as they do it.

It is what the presets are timed against, so nothing here is tuned, and nothing is held back: the
images lie on the device and batches are cut from them by index, which is faster than the notebooks'
`DataLoader`.
"""

import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from pipeline.bench.figures import Curve
from pipeline.console import Reporter
from pipeline.data.competition import Competition
from pipeline.data.preprocessing import Preprocessing
from pipeline.runs.scoring import count_correct
from pipeline.training.fold import FoldTraining
from pipeline.training.inference import predict_logits

NOTEBOOK = "notebook"
EPOCHS = 15
_BATCH_SIZE = 100
_DROPOUT = 0.25
_LEARNING_RATE = 1e-3


def train_notebook(training: FoldTraining, reporter: Reporter, num_epochs: int = EPOCHS) -> Curve:
    """Train the notebook's network in float32 with Adam, without augmentation.

    The curve's seconds are those of training alone: they stand still in validation.

    Args:
        training: Whose images, fold 0 held out, whose device and seed; nothing else of it is used.
        reporter: Hears of every epoch.
        num_epochs: Passes over the training images.
    """
    held_out, seed = training.row_folds == 0, training.settings.seed
    train, valid = training.images.take(~held_out), training.images.take(held_out)
    float32 = replace(training.device, bfloat16=False)
    name = f"{NOTEBOOK}, seed {seed}"
    start = time.perf_counter()
    torch.manual_seed(seed)
    preprocessing = Preprocessing.of(train.images)
    images = preprocessing(torch.from_numpy(train.images).to(float32.torch))
    labels = torch.from_numpy(train.labels).to(float32.torch, torch.int64)
    network = notebook_network(training.competition).to(float32.torch)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    elapsed = time.perf_counter() - start
    seconds, correct = [], []
    with reporter.bar(name, num_epochs * len(train)) as bar:
        for epoch in range(1, num_epochs + 1):
            start = time.perf_counter()
            network.train()
            loss = torch.zeros(())
            order = torch.randperm(len(labels)).to(float32.torch)
            for chosen in torch.split(order, _BATCH_SIZE):
                loss = F.cross_entropy(network(images[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                bar.advance(len(chosen))
            loss.item()  # the device has done what it was given
            elapsed += time.perf_counter() - start
            logits = predict_logits(network, valid.images, preprocessing, float32, batch_size=1000)
            accuracy = count_correct(logits, valid.labels)
            seconds.append(elapsed)
            correct.append(accuracy.correct)
            reporter.line(
                f"{name}: epoch {epoch}/{num_epochs}  valid accuracy {accuracy}  "
                f"{elapsed:.1f} s so far"
            )
    return Curve(
        name=NOTEBOOK, seed=seed, seconds=tuple(seconds), correct=tuple(correct), total=len(valid)
    )


def notebook_network(competition: Competition) -> nn.Sequential:
    """Return `dropout_cnn` as the notebooks write it: PyTorch's own layers, ReLU before pooling."""
    channels, height, width = competition.image_shape
    pooled = [((side - 4) // 2 - 4) // 2 for side in (height, width)]
    return nn.Sequential(
        *(nn.Conv2d(channels, 64, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(_DROPOUT)),
        *(nn.Conv2d(64, 128, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(_DROPOUT)),
        nn.Flatten(),
        *(nn.Linear(128 * pooled[0] * pooled[1], 64), nn.ReLU(), nn.Dropout(_DROPOUT)),
        *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(_DROPOUT)),
        nn.Linear(32, competition.num_classes),
    )
