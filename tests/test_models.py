"""The networks are what their descriptions say."""

import contextlib
import re

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from pipeline.console import Silent
from pipeline.errors import UserError
from pipeline.networks import MODELS, create_model, fitting_models, has_dropout
from pipeline.networks.layers import Classifier, Dropout
from pipeline.networks.own import FullSizeResNet
from pipeline.networks.summary import summarise
from pipeline.networks.views import with_views
from pipeline.runs.probs import Probs
from pipeline.training.inference import predict_run
from pipeline.training.run import train_run as train
from tests import tiny

pytestmark = pytest.mark.machine


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


class LiteralBlock(nn.Module):
    """A residual block as the paper draws it, its shortcut a 3×3 convolution."""

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False), nn.BatchNorm2d(num_out)),
            nn.ReLU(),
            *(nn.Conv2d(num_out, num_out, 3, 1, 1, bias=False), nn.BatchNorm2d(num_out)),
        )
        self.down = None
        if stride != 1:
            self.down = nn.Sequential(
                nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False), nn.BatchNorm2d(num_out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + (x if self.down is None else self.down(x)))


def literal_dropout_cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 64, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Conv2d(64, 128, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        nn.Flatten(),
        *(nn.Linear(2048, 64), nn.ReLU(), nn.Dropout(0.25)),
        *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.25)),
        nn.Linear(32, 10),
    )


def literal_plain_cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 10)),
    )


def literal_batchnorm_cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 5, padding=2), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 10)),
    )


def literal_two_conv_net() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(16 * 6 * 6, 128), nn.ReLU()),
        nn.Linear(128, 10),
    )


def literal_resnet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(LiteralBlock(16, 16, 1), LiteralBlock(16, 16, 1)),
        *(LiteralBlock(16, 32, 2), LiteralBlock(32, 32, 1)),
        *(LiteralBlock(32, 64, 2), LiteralBlock(64, 64, 1)),
        *(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10)),
    )


GREY, COLOUR = (1, 28, 28), (3, 32, 32)
PUBLISHED = [
    ("dropout_cnn", GREY, 340_138, 32, literal_dropout_cnn),
    ("plain_cnn", GREY, 28_938, 32 * 7 * 7, literal_plain_cnn),
    ("batchnorm_cnn", GREY, 29_034, 32 * 7 * 7, literal_batchnorm_cnn),
    ("two_conv_net", COLOUR, 76_922, 128, literal_two_conv_net),
    ("resnet", COLOUR, 195_738, 64, literal_resnet),
]


@pytest.mark.parametrize(("name", "shape", "parameters", "num_features", "literal"), PUBLISHED)
def test_a_reference_network_is_the_published_one(name, shape, parameters, num_features, literal):
    """In size and in function: logits, gradients, and what batch norm remembers."""
    model, theirs = create_model(name, shape, 10, dropout=0.0), literal()
    assert count(model) == count(theirs) == parameters
    for module in theirs.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for mine, other in zip(model.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(mine.data)
    images = torch.randn(16, *shape)
    for network in (model, theirs):
        network(images).logsumexp(1).sum().backward()
    torch.testing.assert_close(model(images), theirs(images), rtol=1e-4, atol=1e-5)
    for mine, other in zip(model.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-4)
    for mine, other in zip(model.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other)
    model.eval(), theirs.eval()
    assert model.features(images).shape == (16, num_features)
    torch.testing.assert_close(model(images), theirs(images), rtol=1e-4, atol=1e-5)


def test_the_residual_network_at_full_size_has_its_sources_size():
    """4.7 million parameters and 329 million multiply-adds, as its author's has at width 128."""
    model = FullSizeResNet(GREY, 10, 0.0, width=128)
    assert f"{count(model):,}".startswith("4,7")
    assert re.search(r"mult-adds \(million\): 329\.", summarise(model, GREY))


def test_the_summary_counts_one_image():
    text = summarise(create_model("dropout_cnn", (1, 28, 28), 10, 0.25), (1, 28, 28))
    assert "340,138" in text
    assert "13,115,392" in text, "second convolution: 8·8·(128·64·25 + 128)"
    assert "14.21" in text


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("shape", "classes"), [((1, 28, 28), 10), ((3, 32, 32), 7), ((2, 30, 41), 2)]
)
def test_every_network_maps_images_to_features_and_those_to_logits(name, shape, classes):
    model = create_model(name, shape, classes, 0.5).eval()
    images = torch.randn(4, *shape)
    features, logits = model.features(images), model(images)
    assert features.dim() == 2
    assert logits.shape == (4, classes)
    assert torch.equal(model.head(features), logits)


@pytest.mark.parametrize("name", MODELS)
def test_dropout_works_where_the_network_says_so(name):
    images = torch.randn(4, 1, 28, 28)
    torch.manual_seed(0)
    model = create_model(name, (1, 28, 28), 10, 0.5)
    assert torch.equal(model(images), model(images)) is not has_dropout(model)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_learns(name, tiny_workspace):
    reporter = tiny.Lines()
    spec = tiny.spec(tiny_workspace, model=name)
    assert train(spec, tiny_workspace, reporter).value >= 0.9, "the block patterns are easy"
    unused = "has no dropout; that setting is not used" in reporter.text
    assert unused is not has_dropout(create_model(name, (1, 28, 28), 10, 0.1))


def test_batch_norms_memory_is_resumed_and_predicts_as_it_validated(tiny_workspace):
    def run(name: str, reporter: tiny.Lines) -> Probs:
        spec = tiny.spec(tiny_workspace, name, model="batchnorm_cnn")
        with contextlib.suppress(KeyboardInterrupt):
            train(spec, tiny_workspace, reporter)
        train(spec, tiny_workspace, Silent())
        return predict_run(name, spec.settings, tiny_workspace, Silent())

    class Interrupted(tiny.Lines):
        def line(self, text: str) -> None:
            super().line(text)
            if text.startswith("epoch 2"):
                raise KeyboardInterrupt

    stopped = Interrupted()
    whole, resumed = run("whole", tiny.Lines()), run("resumed", stopped)
    assert "epoch 3" not in stopped.text
    assert np.array_equal(whole.probs, resumed.probs)
    assert (whole.probs.argmax(axis=1) == np.arange(tiny.NUM_TEST) % 10).mean() >= 0.9


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 8, 8), (1, 17, 9), COLOUR])
def test_images_that_are_too_small_for_a_network_are_refused(shape):
    fitting = fitting_models(shape)
    assert ("resnet" in fitting) and ("unshuffle_cnn3" in fitting) is (shape == COLOUR)
    for name in MODELS:
        if name in fitting:
            assert create_model(name, shape, 3, 0.0).eval()(torch.zeros(1, *shape)).shape == (1, 3)
        else:
            with pytest.raises(UserError, match=f"MODEL={name} cannot take .* these can: .*resnet"):
                create_model(name, shape, 3, 0.0)


def test_an_unknown_network_is_named_with_the_known_ones():
    with pytest.raises(UserError, match=r"MODEL='nope' is not known; choose one of: .*dropout_cnn"):
        create_model("nope", (1, 28, 28), 10, 0.1)


@pytest.mark.parametrize("p", [0.25, 0.5, 0.1])
@pytest.mark.parametrize("channels_last", [False, True])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(p, channels_last):
    torch.manual_seed(1)
    x = torch.ones(64, 32, 12, 13)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    y = Dropout(p)(x)
    dropped = (y == 0).double().mean().item()
    rate = round(256 * p) / 256
    sigma = (rate * (1 - rate) / x.numel()) ** 0.5
    assert abs(dropped - rate) < 5 * sigma  # false alarm: 6e-7
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])
    assert y.is_contiguous(
        memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )
    # No pattern along any axis: neighbours are dropped independently.
    for axis in range(4):
        a, b = (
            y.eq(0).double().narrow(axis, 0, x.shape[axis] - 1),
            y.eq(0).double().narrow(axis, 1, x.shape[axis] - 1),
        )
        assert abs((a * b).mean().item() - rate**2) < 0.005


def test_dropout_passes_gradients_where_it_kept_and_nothing_else():
    torch.manual_seed(0)
    x = torch.randn(8, 4, 6, 6, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad == 0, y == 0)
    layer = Dropout(0.5).eval()
    assert layer(x) is x
    assert Dropout(0.0)(x) is x


def test_seven_views_predict_their_mean_and_leave_the_features_alone():
    torch.manual_seed(0)
    model = create_model("plain_cnn", GREY, 10, 0.0).eval()
    images = torch.rand(8, 1, 28, 28)
    seven = with_views(model, "seven").eval()
    assert with_views(model, "one") is model
    probs = seven(images).softmax(1)
    torch.testing.assert_close(probs.sum(1), torch.ones(8))
    assert not torch.allclose(probs, model(images).softmax(1), atol=1e-6)
    assert torch.equal(seven.features(images), model.features(images))

    seen = []

    class Eye(type(model)):
        """Keeps what it is shown."""

        def forward(self, images):
            seen.append(images)
            return super().forward(images)

    model.__class__ = Eye
    seven(images)
    assert len(seen) == 7
    assert torch.equal(seen[0], images)
    flat = with_views(model, "seven")
    seen.clear()
    flat(torch.full((1, 1, 28, 28), -0.4))
    assert all(torch.allclose(view, seen[0]) for view in seen), "nothing comes in at the border"


def test_the_mirrored_view_is_the_image_with_left_and_right_changed():
    torch.manual_seed(0)
    model = create_model("plain_cnn", GREY, 10, 0.0).eval()
    images = torch.rand(8, 1, 28, 28)
    views = (images, torch.from_numpy(images.numpy()[..., ::-1].copy()))
    mean = sum(model(view).softmax(1) for view in views) / 2
    torch.testing.assert_close(with_views(model, "mirrored").eval()(images).softmax(1), mean)


def test_views_turn_zoom_and_shear_about_the_centre():
    """Against OpenCV's own resampling, a pixel's sixtieth apart at most on a smooth image."""
    y, x = np.mgrid[:28, :28] - 13.5
    smooth = np.exp(-((x - 3) ** 2 + (y + 2) ** 2) / 30).astype(np.float32)
    seen = []

    class Eye(Classifier):
        def features(self, images):
            seen.append(images)
            return images.flatten(1)[:, :2]

        def head(self, features):
            return features

    with_views(Eye(), "seven")(torch.from_numpy(smooth)[None, None])
    cos, sin = np.cos(np.radians(6)), np.sin(np.radians(6))
    expected = [
        np.eye(2),
        *(np.array([[cos, -s * sin], [s * sin, cos]]) for s in (1, -1)),
        *(np.eye(2) / zoom for zoom in (0.94, 1.06)),
        *(np.array([[1, s * 0.1], [0, 1]]) for s in (1, -1)),
    ]
    for view, matrix in zip(seen, expected, strict=True):
        centre = np.array([13.5, 13.5])
        moved = np.column_stack([matrix, centre - matrix @ centre])
        theirs = cv2.warpAffine(
            smooth, moved, (28, 28), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        inner = (slice(3, -3), slice(3, -3))
        assert np.abs(view[0, 0].numpy()[inner] - theirs[inner]).max() < 1 / 60
