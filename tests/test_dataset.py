"""Dataset: what it refuses, in which words, and what it knows of its classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dynsim.dataset import Dataset

X, Y = [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]], [1, 1, -1]


def test_defaults():
    data = Dataset(X, Y)
    np.testing.assert_array_equal(data.weights, [1 / 3] * 3)
    assert (len(data), data.dimension, data.name, data.class_names) == (3, 2, "", ("+1", "-1"))
    assert {data.X.dtype, data.y.dtype, data.weights.dtype} == {np.dtype(float)}
    assert repr(data) == "Dataset(unnamed: 3 points in 2 dimensions, 2 of class '+1', 1 of class '-1')"
    assert repr(Dataset(X, Y, name="few", class_names=("a", "b"))).startswith(
        "Dataset(few: 3 points in 2 dimensions, 2"
    )


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[1.0, np.nan], [2.0, 0.0], [-1.0, 0.0]], r"X must be finite, got nan at \(0, 1\)$"),
        ([[1.0, 0.0], [2.0, 0.0], [-np.inf, 0.0]], r"X must be finite, got -inf at \(2, 0\)$"),
        ([1.0, 2.0, -1.0], r"X must have 2 dimensions, got shape \(3,\)$"),
        (np.ones((3, 2, 1)), r"X must have 2 dimensions, got shape \(3, 2, 1\)$"),
        (5.0, r"X must have 2 dimensions, got shape \(\)$"),
        ([], r"X must have 2 dimensions, got shape \(0,\)$"),
        (np.ones((0, 2)), r"X must have at least one point and one coordinate, got shape \(0, 2\)$"),
        (np.ones((3, 0)), r"X must have at least one point and one coordinate, got shape \(3, 0\)$"),
        ([[1.0, 0.0], [2.0], [3.0]], r"X must be numbers, got \[\[1.0, 0.0\], \[2.0\], \[3.0\]\]$"),
        ([["a", "b"]] * 3, r"X must be numbers, got "),
        (None, r"X must "),
    ],
)
def test_bad_points(points, message):
    with pytest.raises(ValueError, match=message):
        Dataset(points, Y)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, -1], r"y must have one label for each of the 3 points, got 2$"),
        ([1, -1, 1, -1], r"y must have one label for each of the 3 points, got 4$"),
        ([[1], [1], [-1]], r"y must have 1 dimension, got shape \(3, 1\)$"),
        ([1, 0, -1], r"y must be \+1 or -1 for every point, or a class id .*, got 3 values: -1, 0, 1$"),
        ([0, 2, 2], r"a class id 0 ... C-1 with a point of every class, got 2 values: 0, 2$"),
        ([0, 0, 0], r"with a point of every class, got 1 values: 0$"),
        ([1, 1, -1.5], r"y must be \+1 or -1 for every point, .*, got 2 values: -1.5, 1$"),
        ([1, np.nan, -1], r"y must be finite, got nan at 1$"),
        ([1, np.inf, -1], r"y must be finite, got inf at 1$"),
        (["a", "a", "b"], r"y must be numbers, got \['a', 'a', 'b'\]$"),
        ([1, 1, 1], r"y must contain both \+1 and -1, got no point of class -1: it is empty$"),
        ([-1, -1, -1], r"y must contain both \+1 and -1, got no point of class \+1: it is empty$"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        Dataset(X, labels)


def test_many_label_values_are_not_all_listed():
    with pytest.raises(ValueError, match=r"got 9 values: 0, 1, 2, 3, 4, \.\.\.$"):
        Dataset(np.ones((9, 1)), [*range(8), 9])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 1.0, -0.5], r"weights must be at least 0 and finite, got -0.5 at 2$"),
        ([1.0, np.nan, 1.0], r"weights must be at least 0 and finite, got \[1.0, nan, 1.0\]$"),
        ([1.0, np.inf, 1.0], r"weights must be at least 0 and finite, got \[1.0, inf, 1.0\]$"),
        ([1.0, 1.0], r"weights must have one value for each of the 3 points, got shape \(2,\)$"),
        ([[1.0, 1.0, 1.0]], r"weights must have one value for each of the 3 points, got shape \(1, 3\)$"),
        (1.0, r"weights must have one value for each of the 3 points, got shape \(\)$"),
        ([0.0, 0.0, 0.0], r"weights must not all be 0 within a class, got only 0 for class \+1$"),
        ([0.0, 0.0, 1.0], r"weights must not all be 0 within a class, got only 0 for class \+1$"),
        ([1.0, 0.0, 0.0], r"weights must not all be 0 within a class, got only 0 for class -1$"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        Dataset(X, Y, weights)


def test_weights_need_not_sum_to_1_and_some_may_be_0():
    data = Dataset(X, Y, [3.0, 0.0, 5.0])
    assert (data.frequency(1), data.frequency(-1)) == (3.0, 5.0)
    np.testing.assert_array_equal(data.mean(1), [1.0, 0.0])


def test_arrays_are_frozen_copies():
    points, labels, weights = np.array(X), np.array(Y, dtype=float), np.full(3, 0.5)
    data = Dataset(points, labels, weights)
    points[0, 0], labels[0], weights[0] = 99.0, -1.0, 99.0
    assert (data.X[0, 0], data.y[0], data.weights[0]) == (1.0, 1.0, 0.5)
    for array in data.X, data.y, data.weights:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    with pytest.raises(AttributeError, match="cannot assign"):
        data.name = "other"
    assert points.flags.writeable


# ---- classes ----------------------------------------------------------------------------------------------


def test_frequency_mean_and_rate():
    data = Dataset([[3.0, 0.0], [0.0, 4.0], [-6.0, 8.0]], [1, 1, -1], [0.1, 0.3, 0.5], class_names=("a", "b"))
    np.testing.assert_allclose(data.frequency(1), 0.4, rtol=1e-15)
    np.testing.assert_allclose(data.mean(1), [0.75, 3.0], rtol=1e-15)
    np.testing.assert_allclose(data.rate(1), 0.4 * np.hypot(0.75, 3.0), rtol=1e-15)
    assert (data.frequency(-1), data.rate(-1)) == (0.5, 5.0)
    np.testing.assert_array_equal(data.mask(1), [True, True, False])
    np.testing.assert_array_equal(data.mask(-1), [False, False, True])
    assert (data.class_name(1), data.class_name(-1)) == ("a", "b")


def test_the_mean_of_a_repeated_point_is_that_point():
    point = [0.1, 1 / 3, 1e-300]
    data = Dataset([point] * 7 + [[-1.0, 0.0, 0.0]], [1] * 7 + [-1], [0.1, 0.2, 0.3, 0.7, 0.11, 0.13, 0.17, 1.0])
    np.testing.assert_array_equal(data.mean(1), point)


@pytest.mark.parametrize("weights", [None, [0.2, 0.5, 0.7]])
def test_centered_puts_the_class_means_opposite_each_other(weights):
    data = Dataset([[10.0, 3.0], [12.0, 7.0], [-2.0, 1.0]], Y, weights, name="n", class_names=("a", "b"))
    moved = data.centered()
    np.testing.assert_allclose(moved.mean(1), -moved.mean(-1), atol=1e-15 * 12)
    np.testing.assert_allclose(moved.X - moved.X[0], data.X - data.X[0], atol=1e-15 * 12)
    np.testing.assert_array_equal(moved.weights, data.weights)
    assert (moved.name, moved.class_names) == ("n", ("a", "b"))
    np.testing.assert_array_equal(data.X[0], [10.0, 3.0])


def test_moved():
    np.testing.assert_array_equal(Dataset(X, Y).moved([1.0, -2.0]).X, np.array(X) + [1.0, -2.0])
    with pytest.raises(ValueError, match=r"shift must be finite, got nan at 1$"):
        Dataset(X, Y).moved([0.0, np.nan])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    points=hnp.arrays(float, (5, 3), elements=st.floats(-1e6, 1e6)),
    weights=hnp.arrays(float, 5, elements=st.floats(1e-3, 1e3)),
)
def test_centering_twice_moves_by_round_off_only(points, weights):
    once = Dataset(points, [1, 1, -1, -1, -1], weights).centered()
    # A mean is 5 products and 4 sums of numbers below 1e6, a weight sum has 4 more roundings.
    bound = 40 * np.finfo(float).eps * np.max(np.abs(points), initial=1.0)
    np.testing.assert_allclose(once.centered().X, once.X, rtol=0, atol=bound)
