"""The parts of the recipe that can be wrong without a visible loss of accuracy."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from models.recipe import camera  # noqa: E402
from models.recipe.augment import Augmentation  # noqa: E402
from models.recipe.network import Depthwise, Network  # noqa: E402
from models.recipe.pictures import Pictures, hold_out  # noqa: E402
from models.recipe.training import Settings  # noqa: E402


@pytest.fixture
def pictures():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_halving_filter_has_the_gradient_of_a_strided_convolution():
    torch.manual_seed(1)
    layer = Depthwise(6, stride=2)
    x = torch.randn(2, 6, 8, 8, requires_grad=True)
    layer(x).square().sum().backward()
    found = x.grad.clone(), layer.weight.grad.clone()
    x.grad = layer.weight.grad = None
    padded = functional.pad(x, (0, 1, 0, 1))
    functional.conv2d(padded, layer.weight, stride=2, groups=6).square().sum().backward()
    torch.testing.assert_close(found, (x.grad, layer.weight.grad))


def test_network_gives_logits_and_features():
    logits, features = Network(10).eval()(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 10)
    assert features.shape == (2, 256)


def test_a_still_view_changes_nothing(pictures):
    one = torch.ones(4)
    seen = camera.view(
        pictures, size_px=32, zoom=one, stretch=one, tilt_rad=0 * one,
        shift=torch.zeros(4, 2), mirror=one,
    )  # fmt: skip
    torch.testing.assert_close(seen, pictures, atol=1e-5, rtol=0)


def test_blur_keeps_the_mean_and_lowers_the_deviation(pictures):
    one = torch.ones(4)
    blurred = camera.blur(pictures, one, one, 0 * one)
    assert blurred.mean() == pytest.approx(float(pictures.mean()), abs=0.02)
    assert blurred.std() < pictures.std() / 2


def test_one_stop_doubles_the_light(pictures):
    dark = pictures * 0.3
    light = camera.expose(dark, torch.ones(4))
    torch.testing.assert_close(light**2.2, 2 * dark**2.2, atol=1e-5, rtol=1e-4)


def test_sensor_noise_has_the_stated_variance():
    grey = torch.full((1, 3, 200, 200), 0.5)
    noisy = camera.sensor_noise(
        grey, torch.tensor([0.004]), torch.tensor([0.02]), torch.Generator().manual_seed(1)
    )
    assert float(noisy.var()) == pytest.approx(0.004 * 0.5 + 0.02**2, rel=0.05)


def test_augmentation_repeats_under_a_seed():
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    first, second = (
        Augmentation(torch.Generator().manual_seed(7), 1.0)(pixels, 24) for _ in range(2)
    )
    assert first.shape == (8, 3, 24, 24)
    torch.testing.assert_close(first, second)


def test_validation_is_held_out_of_each_class():
    classes = np.repeat(np.arange(2), 10)
    pixels = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 32, 32), np.uint8)
    everything = Pictures(pixels, classes, ("a", "b"))
    training, validation = hold_out(everything, 3, seed=1)
    assert np.bincount(validation.classes).tolist() == [3, 3]
    assert not set(training.pixels[:, 0, 0, 0]) & set(validation.pixels[:, 0, 0, 0])


def test_rate_rises_and_falls_to_nothing():
    settings = Settings(epochs=10)
    assert settings.pace(0) < settings.pace(0.03) < settings.pace(0.06) == 1
    assert settings.pace(1) == pytest.approx(0, abs=1e-9)
