"""The random numbers: the published generator, uniform, normal, and a function of the key alone."""

import numpy as np
import pytest
import torch
from scipy import stats

from pipeline.augment.batched import counter, image_keys

pytestmark = pytest.mark.machine

FALSE_ALARM = 1e-4  # of each statistical check; all are seeded, so a pass is a pass for good


def test_is_splitmix64():
    # The first outputs for seed 1234567, from the reference implementation's published test.
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    bits = counter.random_bits(torch.tensor([1234567]), torch.arange(5))
    assert [int(b) % 2**64 for b in bits] == expected


def test_keys_are_distinct_and_depend_on_each_part():
    rows = torch.arange(60_000)
    keys = [image_keys(seed, epoch, rows) for seed in (0, 1, -5, 2**63 + 9) for epoch in (0, 1, 2)]
    assert len(torch.unique(torch.cat(keys))) == 12 * 60_000
    assert torch.equal(image_keys(3, 4, rows[[7, 5]]), image_keys(3, 4, rows)[[7, 5]])


def test_neighbouring_seeds_epochs_and_rows_differ_in_half_of_the_bits():
    rows = torch.arange(4096)
    base = image_keys(0, 0, rows)
    for other in (image_keys(1, 0, rows), image_keys(0, 1, rows), image_keys(0, 0, rows + 1)):
        flipped = (base ^ other).numpy().view(np.uint64)
        bits = np.unpackbits(flipped.view(np.uint8)).mean()
        assert abs(bits - 0.5) < 4 * 0.5 / np.sqrt(64 * len(rows))


@pytest.mark.parametrize("seed", [0, 1])
def test_uniform(seed):
    keys = image_keys(seed, 0, torch.arange(4000))
    across_images = counter.uniform(keys, torch.tensor([[3]]))[0].numpy()
    along_image = counter.uniform(keys[:1], torch.arange(4000)).numpy()
    noise = counter.uniform_noise(keys[:200], 1 << 40, 101).numpy()
    assert noise.shape == (200, 101)
    for sample in (across_images, along_image, noise.ravel()):
        assert stats.kstest(sample, "uniform").pvalue > FALSE_ALARM
        assert 0 <= sample.min() <= sample.max() <= 1
    # The two numbers made of one counter's bits, the next counter's, and the next image's.
    half = noise.shape[1] // 2
    for a, b in (
        (noise[:, :half], noise[:, half + 1 : 2 * half + 1]),
        (noise[:, :-1], noise[:, 1:]),
        (noise[:-1], noise[1:]),
    ):
        assert stats.pearsonr(a.ravel(), b.ravel()).pvalue > FALSE_ALARM
        pairs = np.histogram2d(a.ravel(), b.ravel(), bins=16, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(pairs.ravel()).pvalue > FALSE_ALARM


def test_normal():
    keys = image_keys(0, 0, torch.arange(300))
    noise = counter.normal_noise(keys, 0, 785).numpy()
    assert noise.shape == (300, 785)
    assert stats.kstest(noise.ravel(), "norm").pvalue > FALSE_ALARM
    # The largest of each image: what ElasticTransform divides by.
    largest = np.abs(noise).max(axis=1)
    exact = stats.kstest(largest, lambda m: (2 * stats.norm.cdf(m) - 1) ** 785)
    assert exact.pvalue > FALSE_ALARM
    assert stats.pearsonr(noise[:, :-1].ravel(), noise[:, 1:].ravel()).pvalue > FALSE_ALARM
    half = 785 // 2 + 1  # radius and angle give a pair: cos here, sin there
    squares = noise**2
    pair = stats.pearsonr(squares[:, : half - 1].ravel(), squares[:, half : 2 * half - 1].ravel())
    assert pair.pvalue > FALSE_ALARM


@pytest.mark.parametrize("count", [0, 1, 2, 3, 784])
def test_no_images_take_no_noise(count):
    keys = image_keys(0, 0, torch.arange(0))
    assert counter.uniform_noise(keys, 5, count).shape == (0, count)
    assert counter.normal_noise(keys, 5, count).shape == (0, count)
