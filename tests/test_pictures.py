"""Pictures: the two halves of the range, scaling, shapes and test sets; every wrong argument is one clear line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import pictures
from dynsim.data import from_sklearn
from dynsim.dataset import Dataset

TWO = Dataset([[0.0, 4.0, 16.0], [0.0, 4.0, 16.0]], [1, -1], weights=[0.3, 0.7], name="two", class_names=("a", "b"))


def test_halves_of_the_range_by_hand():
    found = pictures.brightened(TWO, limits=(0, 16))
    np.testing.assert_array_equal(found.X, [[0, 2, 8], [8, 10, 16]])
    other = pictures.brightened(TWO, limits=(0, 16), dark=-1)
    np.testing.assert_array_equal(other.X, found.X[::-1])
    np.testing.assert_array_equal(pictures.brightened(TWO, limits=(-8, 24)).X, [[-4, -2, 4], [12, 14, 20]])


def test_everything_but_the_pixels_is_kept():
    for found in (pictures.brightened(TWO, limits=(0, 16)), pictures.scaled(TWO, limits=(0, 16))):
        np.testing.assert_array_equal(found.weights, TWO.weights)
        np.testing.assert_array_equal(found.y, TWO.y)
        assert (found.name, found.class_names) == ("two", ("a", "b"))


@settings(deadline=None)
@given(
    pixels=st.lists(st.floats(-50.0, 200.0), min_size=2, max_size=30),
    low=st.floats(-1000.0, -50.0),
    high=st.floats(200.0, 1000.0),
    dark=st.sampled_from([1, -1]),
)
def test_brightness_alone_tells_the_classes_apart(pixels, low, high, dark):
    data = Dataset([pixels, pixels], [1, -1])
    found = pictures.brightened(data, limits=(low, high), dark=dark)
    below, above = found.X[found.y == dark], found.X[found.y == -dark]
    middle = 0.5 * low + 0.5 * high
    # Rounding is monotone, so no pixel leaves its half or the range; the two halves meet in one value.
    assert np.all((low <= below) & (below <= middle)) and np.all((middle <= above) & (above <= high))
    # The shapes stay, at half their contrast; each pixel is rounded a few times at a size of at most 1000.
    for row in found.X:
        np.testing.assert_allclose(np.diff(row), 0.5 * np.diff(pixels), rtol=0, atol=8 * 1000 * np.finfo(float).eps)


def test_digits_fill_their_range():
    digits = from_sklearn("digits", (3, 8))
    found = pictures.brightened(pictures.scaled(digits, limits=(0, 16)), limits=(0, 1))
    assert (found.X[found.y == 1].min(), found.X[found.y == 1].max()) == (0.0, 0.5)
    assert (found.X[found.y == -1].min(), found.X[found.y == -1].max()) == (0.5, 1.0)
    again = pictures.brightened(digits, limits=(0, 16))
    np.testing.assert_array_equal(again.X / 16, found.X)  # halves and sixteenths are exact


@pytest.mark.parametrize("change", [pictures.brightened, pictures.scaled])
@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((0, 15), r"^X must lie within limits = \(0, 15\), got 16 in pixel 2 of picture 0$"),
        ((1, 16), r"^X must lie within limits = \(1, 16\), got 0 in pixel 0 of picture 0$"),
        ((16, 0), r"^limits must be two increasing numbers \(lo, hi\), got \(16, 0\)$"),
        ((0, 0), r"^limits must be two increasing numbers \(lo, hi\), got \(0, 0\)$"),
        (16, r"^limits must be two increasing numbers \(lo, hi\), got 16$"),
        ((0, 8, 16), r"^limits must be two increasing numbers"),
        ((0, np.inf), r"^limits must be finite, got inf at 1$"),
        ((-1.7e308, 1.7e308), r"^limits must have a finite difference, got "),
        ("ab", r"^limits must be numbers, got 'ab'$"),
    ],
)
def test_limits_that_are_refused(change, limits, message):
    with pytest.raises(ValueError, match=message):
        change(TWO, limits=limits)


def test_classes_that_are_refused():
    for dark in (0, 2, True, "a", None):
        with pytest.raises(ValueError, match=rf"^dark must be the label \+1 or -1, got {dark!r}$"):
            pictures.brightened(TWO, limits=(0, 16), dark=dark)
    for dark, shape in ((np.array([1, -1]), r"\(2,\)"), (np.array([1]), r"\(1,\)"), (np.ones((2, 2)), r"\(2, 2\)")):
        with pytest.raises(ValueError, match=rf"^dark must be the label \+1 or -1, got an array of shape {shape}$"):
            pictures.brightened(TWO, limits=(0, 16), dark=dark)
    for dark in ([1, -1], [1], np.bool_(True), np.nan, 1 + 0j):
        with pytest.raises(ValueError, match=r"^dark must be the label \+1 or -1, got "):
            pictures.brightened(TWO, limits=(0, 16), dark=dark)
    ids = Dataset([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match=r"^brightened needs labels \+1 and -1, got class ids 0 ... 1"):
        pictures.brightened(ids, limits=(0, 16))
    with pytest.raises(ValueError, match=r"^a balanced test set needs labels \+1 and -1"):
        pictures.balanced_test(ids, 0.5, size=1, rng=0)
    for call in (pictures.brightened, pictures.scaled):
        with pytest.raises(ValueError, match=r"^data must be a Dataset, got list$"):
            call([[0.0]], limits=(0, 1))


def test_labels_as_one_number():
    for label in (1, -1, 1.0, np.int64(-1), np.float32(1.0)):
        found = pictures.checked_label("dark", label)
        assert type(found) is int and found == label


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((0, 3)), r"^X must hold at least one picture, got shape \(0, 3\)$"),
        (np.ones(3), r"^X must have 2 dimensions, got shape \(3,\)$"),
        ([[0.0, 1.0], [0.5, 255.0]], r"^X must lie within 0 to 1, the range .* got 255 in pixel 1 of picture 1$"),
        ([[-0.1, 1.0]], r"^X must lie within 0 to 1, the range .* got -0.1 in pixel 0 of picture 0$"),
        ([[np.nan]], r"^X must be finite, got nan at \(0, 0\)$"),
    ],
)
def test_pixels_that_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        pictures.checked_pixels(X)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 2), r"^shape must multiply to the 3 coordinates of a point, got 2 x 2 = 4$"),
        ((1, 3, 2), r"^shape must multiply to the 3 coordinates of a point, got 1 x 3 x 2 = 6$"),
        ((3,), r"^shape must be \(rows, columns\) or \(rows, columns, channels\), got \(3,\)$"),
        (3, r"^shape must be \(rows, columns\) or \(rows, columns, channels\), got 3$"),
        ((1, 1, 3, 1), r"^shape must be \(rows, columns\) or"),
        ((-1, -3), r"^shape must be an integer of at least 1, got -1$"),
        ((1.0, 3.0), r"^shape must be an integer of at least 1, got 1.0$"),
    ],
)
def test_shapes_that_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        pictures.checked_shape(TWO, shape)


def test_shapes_that_fit():
    for shape in ((1, 3), [3, 1], np.array([1, 3]), (1, 1, 3)):
        assert pictures.checked_shape(TWO, shape) == tuple(shape)


# ---- test sets ------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    counts=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    share=st.floats(0.2, 0.8),
    rng=st.integers(0, 2**32),
)
def test_test_sets_are_balanced(counts, share, rng):
    data = Dataset(np.zeros((sum(counts), 1)), np.repeat([1, -1], counts))
    test = pictures.balanced_test(data, share, size=3, rng=rng)
    each = round(share * min(counts))
    assert test.dtype == bool and test.shape == (3, sum(counts))
    for label in (1, -1):
        assert np.all(test[:, data.mask(label)].sum(axis=1) == each)
    weights = pictures.training_weights(test)
    assert np.all(weights[test] == 0.0)
    # n terms of 1/n, each rounded once, in a sum of at most 80 terms.
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=0, atol=100 * np.finfo(float).eps)
    assert all(len(set(row[~mask].tolist())) == 1 for row, mask in zip(weights, test, strict=True))


def test_every_picture_is_drawn_as_often():
    data = Dataset(np.zeros((10, 1)), np.repeat([1, -1], [4, 6]))
    test = pictures.balanced_test(data, 0.5, size=4000, rng=0)
    # Shares of 2/4 and 2/6 over 4000 draws have standard deviations below .008; 5 of them are .04.
    np.testing.assert_allclose(test.mean(axis=0), [0.5] * 4 + [1 / 3] * 6, rtol=0, atol=0.04)
    np.testing.assert_array_equal(test, pictures.balanced_test(data, 0.5, size=4000, rng=0))
    assert np.any(test != pictures.balanced_test(data, 0.5, size=4000, rng=1))


@pytest.mark.parametrize(
    ("share", "size", "message"),
    [
        (0.0, 1, r"^test_share must be positive and finite, got 0$"),
        (1.0, 1, r"^test_share must be below 1, got 1.0$"),
        (0.1, 1, r"^test_share must leave pictures of both classes to train on and to test, got 0.1 of 4, "),
        (0.9, 1, r"^test_share must leave pictures of both classes to train on and to test, got 0.9 of 4, "),
        (0.5, 0, r"^size must be an integer of at least 1, got 0$"),
    ],
)
def test_splits_that_are_refused(share, size, message):
    data = Dataset(np.zeros((10, 1)), np.repeat([1, -1], [4, 6]))
    with pytest.raises(ValueError, match=message):
        pictures.balanced_test(data, share, size=size, rng=0)
