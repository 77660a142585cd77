"""Shifts of source images: what each does, and how they are shared out."""

import pytest
import torch

from nasneurn.search.shifts import SHIFTS, under_shifts
from nasneurn.training.images import DeviceImages


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 3, 32, 32, generator=generator())


@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_shifts_keep_the_shape_and_depend_on_the_generator_alone(
    name: str, images: torch.Tensor
) -> None:
    before = images.clone()
    first, again = (SHIFTS[name](images, generator()) for _ in range(2))
    assert first.shape == images.shape
    assert torch.equal(first, again)
    assert torch.equal(images, before)
    assert not torch.equal(first, images)


def test_contrast_is_a_third(images: torch.Tensor) -> None:
    shifted = SHIFTS["contrast"](images, generator())
    torch.testing.assert_close(shifted.std((1, 2, 3)), images.std((1, 2, 3)) / 3)
    assert shifted.min() >= 0.1
    assert shifted.max() <= 0.9


def test_polarity_twice_is_nothing(images: torch.Tensor) -> None:
    twice = SHIFTS["polarity"](SHIFTS["polarity"](images, generator()), generator())
    torch.testing.assert_close(twice, images)


def test_background_is_smooth_and_of_each_image(images: torch.Tensor) -> None:
    field = 2 * SHIFTS["background"](images, generator()) - images
    # Bilinear between 4 x 4 colours: neighbours differ by less than a tenth of the range.
    assert field.diff(dim=2).abs().max() <= 0.1
    assert not torch.allclose(field[0], field[1])


def test_blur_leaves_flat_images(images: torch.Tensor) -> None:
    flat = torch.full((1, 3, 32, 32), 0.4)
    torch.testing.assert_close(SHIFTS["blur"](flat, generator()), flat)
    blurred = SHIFTS["blur"](images, generator())
    assert blurred.diff(dim=3).abs().mean() < images.diff(dim=3).abs().mean() / 3


def test_a_fifth_of_the_images_under_each() -> None:
    pixels = torch.randint(0, 256, (50, 3, 32, 32), dtype=torch.uint8, generator=generator())
    data = DeviceImages(pixels, torch.arange(50) % 10)
    shifted = under_shifts(data, seed=1)
    same = [torch.equal(a, b) for a, b in zip(data.images, shifted.images, strict=True)]
    turned = [torch.equal(255 - a, b) for a, b in zip(data.images, shifted.images, strict=True)]
    assert sum(same) == sum(turned) == 10
    assert torch.equal(shifted.labels, data.labels)
    assert torch.equal(under_shifts(data, seed=1).images, shifted.images)
    assert not torch.equal(under_shifts(data, seed=2).images, shifted.images)
