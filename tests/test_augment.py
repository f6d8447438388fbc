import numpy as np
import pytest

from raypipe.studies.gray_scott import augment as module
from raypipe.studies.gray_scott.augment import free, symmetric, symmetric_or_free


def fixed(monkeypatch, *, zoom=0.0, shear=0.0, intensity=0.0):
    monkeypatch.setattr(module, "ZOOM", zoom)
    monkeypatch.setattr(module, "SHEAR", shear)
    monkeypatch.setattr(module, "INTENSITY", intensity)


class Chosen:
    """A random generator that returns a given angle (in units of 2 pi), shift and flips."""

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
    np.testing.assert_allclose(free(field, random), expected(field), atol=1e-4)


def test_half_a_cell_is_interpolated_across_the_edge(monkeypatch):
    fixed(monkeypatch)
    field = np.zeros((1, 4, 4, 1), "float32")
    field[0, 0, 0] = 1
    found = free(field, Chosen(0, (0, 0.5), (1, 1)))[0, ..., 0]
    assert found[0].tolist() == [0.5, 0, 0, 0.5]
    assert not found[1:].any()


def test_a_homogeneous_field_stays_so_but_for_its_intensity():
    found = free(np.full((20, 32, 32, 10, 1), 0.4, "float32"), np.random.default_rng(3))
    assert (found.shape, found.dtype) == ((20, 32, 32, 10, 1), np.float32)
    np.testing.assert_allclose(np.ptp(found, axis=(1, 2, 3, 4)), 0, atol=1e-6)
    level = found[:, 0, 0, 0, 0]
    assert 0.38 <= level.min() < level.max() <= 0.42


def test_frames_change_alike_samples_do_not():
    field = np.random.default_rng(0).random((1, 32, 32, 1)).astype("float32")
    found = free(np.tile(field, (2, 1, 1, 3)), np.random.default_rng(1))
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
    assert abs(found[0] - found[1]).max() > 0.1


def test_zoom_changes_the_wave_number_by_at_most_a_fifth():
    x = np.arange(128) * 2 * np.pi / 128
    field = np.broadcast_to(np.cos(16 * x)[:, None, None], (30, 128, 128, 1)).astype("float32")
    spectra = abs(np.fft.fft2(free(field, np.random.default_rng(0))[..., 0]))
    rows, columns = np.unravel_index(spectra[:, :65].reshape(30, -1).argmax(axis=1), (65, 128))
    wave_numbers = np.hypot(rows, np.minimum(columns, 128 - columns))
    assert 11 < wave_numbers.min() < 15 < 17 < wave_numbers.max() < 22
    assert np.ptp(columns) > 10, "stripes are turned"


def test_the_same_generator_gives_the_same_variants():
    field = np.random.default_rng(0).random((3, 16, 16, 2)).astype("float32")
    first, again, other = (free(field, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 0.1


def views(field):
    """Return the eight rotations and reflections of a pattern (y, x, …) by the symmetries of the square."""
    return [np.rot90(one, turns) for one in (field, field[:, ::-1]) for turns in range(4)]


def laplacian(field):
    """Compute a 9-point Laplacian whose rounding does not change under rotations and reflections."""
    edges = (np.roll(field, 1, 0) + np.roll(field, -1, 0)) + (np.roll(field, 1, 1) + np.roll(field, -1, 1))
    corners = sum(np.roll(field, (a, b), (0, 1)).astype("float64") for a in (-1, 1) for b in (-1, 1))
    return 2 * edges.astype("float64") + corners - 12.0 * field


def test_symmetric_variants_are_turned_reflected_and_rolled():
    pattern = np.random.default_rng(0).random((8, 8, 3)).astype("float32")
    kept = pattern.copy()
    found = symmetric(np.tile(pattern, (10_000, 1, 1, 1)), np.random.default_rng(1))
    images = {
        np.roll(view, (down, right), (0, 1)).tobytes()
        for view in views(pattern)
        for down in range(8)
        for right in range(8)
    }
    assert len(images) == 512
    counts = dict.fromkeys(images, 0)
    for one in found:
        counts[one.tobytes()] += 1
    assert min(counts.values()) > 0, "every one occurs"
    assert max(counts.values()) < 50, "none is preferred"
    np.testing.assert_array_equal(pattern, kept)


@pytest.mark.parametrize("shape", [(20, 16, 16, 3), (20, 16, 16, 10, 1)])
def test_symmetric_variants_keep_every_value(shape):
    patterns = np.random.default_rng(2).random(shape).astype("float32")
    found = symmetric(patterns, np.random.default_rng(3))
    assert (found.shape, found.dtype) == (patterns.shape, patterns.dtype)
    flat = (20, 256, -1)
    # Whole grid points move: the frames of each point stay together.
    for one, original in zip(found.reshape(flat), patterns.reshape(flat), strict=True):
        np.testing.assert_array_equal(one[np.lexsort(one.T)], original[np.lexsort(original.T)])


def test_symmetric_variants_commute_with_the_laplacian():
    """The time evolution of a variant is therefore the variant of the time evolution."""
    # Multiples of 2^-12: sums are exact in any order.
    patterns = (np.random.default_rng(4).integers(0, 2**12, (10, 32, 32, 1)) / 2**12).astype("float32")
    before = np.stack([laplacian(one) for one in patterns])
    found = symmetric(np.concatenate([patterns, before.astype("float32")], axis=-1), np.random.default_rng(5))
    for one in found:
        np.testing.assert_array_equal(laplacian(one[..., :1]), one[..., 1:])


def test_a_free_variant_has_no_seam():
    """A wave that is periodic in the domain continues smoothly across the former edge in any transformed window."""
    size, samples = 64, 50
    y, x = np.mgrid[:size, :size] * (2 * np.pi / size)
    wave = 0.5 + 0.2 * np.cos(x) + 0.2 * np.sin(2 * y - x)
    random = np.random.default_rng(6)
    found = free(np.tile(wave[None, ..., None], (samples, 1, 1, 1)).astype("float32"), random)[..., 0]
    # Steepest slope per grid point, with shear and zoom; a seam would be a jump by the amplitude of the wave.
    steepest = 0.7 * 2 * np.pi / size * (1 + module.ZOOM) * (1 + module.SHEAR) * (1 + module.INTENSITY)
    assert max(abs(np.diff(found, axis=axis)).max() for axis in (1, 2)) < steepest
    assert abs(found[:, 0] - found[:, -1]).max() > 2 * steepest, "but its own edges need not meet"


def test_half_of_the_variants_are_symmetries():
    patterns = np.random.default_rng(7).random((400, 8, 8, 3)).astype("float32")
    found = symmetric_or_free(patterns, np.random.default_rng(8))
    exact = [np.array_equal(np.sort(a, axis=None), np.sort(b, axis=None)) for a, b in zip(found, patterns, strict=True)]
    assert 160 < sum(exact) < 240
    for count in (0, 1, 2):  # also if no variant of one kind is drawn
        assert symmetric_or_free(patterns[:count], np.random.default_rng(0)).shape == (count, 8, 8, 3)
