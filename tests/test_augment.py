import numpy as np
import pytest

from raypipe.studies.gray_scott import augment as module
from raypipe.studies.gray_scott.augment import augment


def fixed(monkeypatch, *, zoom=0.0, shear=0.0, intensity=0.0):
    monkeypatch.setattr(module, "ZOOM", zoom)
    monkeypatch.setattr(module, "SHEAR", shear)
    monkeypatch.setattr(module, "INTENSITY", intensity)


class Chosen:
    """A generator of which the angle (in units of 2 pi), the shift and the flips are known."""

    def __init__(self, angle, shift, flips):
        self.angle, self.shift, self.flips = angle, shift, flips

    def uniform(self, low, high, size):
        if np.ndim(high):
            return np.tile(np.array(self.shift, "float64"), (size[0], 1))
        return np.full(size, self.angle * high if high > 6 else low)

    def choice(self, _, size):
        return np.tile(self.flips, (size[0], 1))


@pytest.mark.parametrize(
    ("random", "expected"),
    [
        (Chosen(0, (0, 0), (1, 1)), lambda field: field),
        (Chosen(0, (5, 9), (1, 1)), lambda field: np.roll(field, (-5, -9), axis=(1, 2))),
        (Chosen(0, (0, 0), (-1, 1)), lambda field: field[:, ::-1]),
        (Chosen(0, (0, 0), (1, -1)), lambda field: field[:, :, ::-1]),
        (Chosen(0.5, (0, 0), (1, 1)), lambda field: field[:, ::-1, ::-1]),
        (Chosen(0.25, (3, 0), (1, 1)), lambda field: np.rot90(np.roll(field, -3, axis=1), -1, axes=(1, 2))),
    ],
)
def test_maps_that_grid_points_survive(monkeypatch, random, expected):
    fixed(monkeypatch)
    field = np.random.default_rng(0).random((2, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(augment(field, random), expected(field), atol=1e-4)


def test_half_a_cell_is_interpolated_across_the_edge(monkeypatch):
    fixed(monkeypatch)
    field = np.zeros((1, 4, 4, 1), "float32")
    field[0, 0, 0] = 1
    found = augment(field, Chosen(0, (0, 0.5), (1, 1)))[0, ..., 0]
    assert found[0].tolist() == [0.5, 0, 0, 0.5]
    assert not found[1:].any()


def test_a_homogeneous_field_stays_so_but_for_its_intensity():
    found = augment(np.full((20, 32, 32, 10, 1), 0.4, "float32"), np.random.default_rng(3))
    assert (found.shape, found.dtype) == ((20, 32, 32, 10, 1), np.float32)
    np.testing.assert_allclose(np.ptp(found, axis=(1, 2, 3, 4)), 0, atol=1e-6)
    level = found[:, 0, 0, 0, 0]
    assert 0.38 <= level.min() < level.max() <= 0.42


def test_frames_change_alike_samples_do_not():
    field = np.random.default_rng(0).random((1, 32, 32, 1)).astype("float32")
    found = augment(np.tile(field, (2, 1, 1, 3)), np.random.default_rng(1))
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
    assert abs(found[0] - found[1]).max() > 0.1


def test_zoom_changes_the_wave_number_by_at_most_a_fifth():
    x = np.arange(128) * 2 * np.pi / 128
    field = np.broadcast_to(np.cos(16 * x)[:, None, None], (30, 128, 128, 1)).astype("float32")
    spectra = abs(np.fft.fft2(augment(field, np.random.default_rng(0))[..., 0]))
    rows, columns = np.unravel_index(spectra[:, :65].reshape(30, -1).argmax(axis=1), (65, 128))
    wave_numbers = np.hypot(rows, np.minimum(columns, 128 - columns))
    assert 11 < wave_numbers.min() < 15 < 17 < wave_numbers.max() < 22
    assert np.ptp(columns) > 10, "stripes are turned"


def test_the_same_generator_gives_the_same_variants():
    field = np.random.default_rng(0).random((3, 16, 16, 2)).astype("float32")
    first, again, other = (augment(field, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 0.1
