"""The networks are what their descriptions say."""

import pytest
import torch
from torch import nn

from pipeline.errors import UserError
from pipeline.models import MODELS, create_model
from pipeline.models.layers import Dropout
from pipeline.models.summary import summarise


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_dropout_cnn_is_the_notebooks_network():
    model = create_model("dropout_cnn", (1, 28, 28), 10, dropout=0.25)
    assert count(model) == 340_138
    literal = nn.Sequential(
        *(nn.Conv2d(1, 64, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Conv2d(64, 128, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        nn.Flatten(),
        *(nn.Linear(2048, 64), nn.ReLU(), nn.Dropout(0.25)),
        *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.25)),
        nn.Linear(32, 10),
    )
    for mine, theirs in zip(model.parameters(), literal.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    model.eval(), literal.eval()
    images = torch.randn(16, 1, 28, 28)
    torch.testing.assert_close(model(images), literal(images))
    model(images).logsumexp(1).sum().backward()
    literal(images).logsumexp(1).sum().backward()
    for mine, theirs in zip(model.parameters(), literal.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_the_summary_counts_one_image():
    text = summarise(create_model("dropout_cnn", (1, 28, 28), 10, 0.25), (1, 28, 28))
    assert "340,138" in text
    assert "13,115,392" in text, "second convolution: 8·8·(128·64·25 + 128)"
    assert "14.21" in text


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("shape", "classes"), [((1, 28, 28), 10), ((3, 32, 32), 7)])
def test_every_network_maps_images_to_logits(name, shape, classes):
    model = create_model(name, shape, classes, 0.5)
    assert model(torch.randn(4, *shape)).shape == (4, classes)


def test_an_unknown_network_is_named_with_the_known_ones():
    with pytest.raises(UserError, match="MODEL='nope' is not known; choose one of: dropout_cnn"):
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
