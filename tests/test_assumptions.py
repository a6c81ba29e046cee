"""(H1), (H2), (H3): decided exactly, counted, and the worst offender named."""

import json
import tracemalloc
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dynsim import data
from dynsim.assumptions import KEPT
from dynsim.dataset import Dataset
from dynsim.network import Network

IRIS = Path(__file__).parents[1] / "examples" / "iris.csv"


def iris(*classes):
    return data.from_csv(IRIS, "species", classes).centered()


def brute_force(points, labels):
    """The pairs that violate (H1), each decided in rational arithmetic."""
    rows = [[Fraction(float(v)) for v in row] for row in points]
    bad = []
    for i, j in combinations(range(len(rows)), 2):
        dot = sum(a * b for a, b in zip(rows[i], rows[j], strict=True))
        if dot <= 0 if labels[i] == labels[j] else dot > 0:
            bad.append((i, j))
    return bad


def check_decided(points, labels):
    """H1, after checking it pair by pair against rational arithmetic."""
    found = Dataset(points, labels).check_assumptions().H1
    pairs = [tuple(pair) for pair in found.offenders.tolist() if pair[0] != pair[1]]
    assert sorted(pairs) == brute_force(points, labels)
    assert found.violations == len(found.offenders)
    assert found.holds is (found.violations == 0)
    return found


# ---- (H1) on Fisher's iris --------------------------------------------------------------------------------


def test_iris_setosa_against_virginica_satisfies_h1_for_every_pair():
    flowers = iris("setosa", "virginica")
    found = check_decided(flowers.X, flowers.y)
    assert found.holds
    assert (found.violations, found.total) == (0, 4950)
    assert found.offenders.shape == (0, 2)
    assert found.margin > 0
    assert str(found).startswith("H1 holds for all 4,950 pairs")


def test_iris_setosa_against_versicolor_violates_h1():
    flowers = iris("setosa", "versicolor")
    found = check_decided(flowers.X, flowers.y)
    assert not found.holds
    assert found.total == 4950
    assert found.violations == len(brute_force(flowers.X, flowers.y)) > 0
    assert found.margin < 0
    assert str(found).startswith(f"H1 fails for {found.violations} of 4,950 pairs")


def test_iris_is_not_centred_by_itself():
    assert not data.from_csv(IRIS, "species", ("setosa", "virginica")).check_assumptions()


def test_margin_and_worst_pair_are_those_of_the_cosines():
    flowers = iris("setosa", "versicolor")
    found = flowers.check_assumptions().H1
    unit = flowers.X / np.linalg.norm(flowers.X, axis=1, keepdims=True)
    safety = np.where(flowers.y[:, None] == flowers.y, 1, -1) * (unit @ unit.T)
    i, j = np.unravel_index(np.argmin(np.where(np.eye(100, dtype=bool), np.inf, safety)), safety.shape)
    np.testing.assert_allclose(found.margin, safety[i, j], rtol=1e-13)
    names = {1: "setosa", -1: "versicolor"}
    a, b = names[flowers.y[i]], names[flowers.y[j]]
    assert found.worst == f"points {i} and {j}, " + (f"both {a}" if a == b else f"{a} and {b}")


# ---- (H1): zeros and signs that float64 gets wrong --------------------------------------------------------


def test_zero_is_allowed_across_classes():
    found = check_decided([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    assert found.holds
    assert (found.margin, found.worst, found.total) == (0.0, "points 0 and 1, +1 and -1", 1)


def test_zero_is_not_allowed_within_a_class():
    found = check_decided([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [1, 1, -1])
    assert (found.violations, found.total) == (1, 3)
    assert found.offenders.tolist() == [[0, 1]]
    assert (found.margin, found.worst) == (0.0, "points 0 and 1, both +1")


def test_orthogonal_points_of_one_class_all_violate():
    found = check_decided(np.vstack([np.eye(6), -np.ones(6)]), [1] * 6 + [-1])
    assert (found.violations, found.total) == (15, 21)


def test_a_point_at_the_origin_violates_by_itself():
    found = Dataset([[0.0, 0.0], [-1.0, 0.0]], [1, -1]).check_assumptions().H1
    assert not found.holds
    assert found.offenders.tolist() == [[0, 0]]
    assert found.worst == "points 0 and 0, both +1"


E = 2.0**-30

#: Two points and the sign of their inner product, which float64 gets wrong: by rounding the products, or where
#: it multiplies and adds in one step by rounding only one of them, or by losing a small term beside a large one.
HARD = {
    "zero, of products": ([0.1, 0.3], [0.3, -0.1], 0),
    "zero, of a sum": ([1e16, 1.0, -1e16, -1.0], [1.0, 1.0, 1.0, 1.0], 0),
    "-2**-60": ([1 + E, 1.0], [1 - E, -1.0], -1),
    "+2**-60": ([1 + E, 1.0], [E - 1, 1.0], 1),
    "-1 beside 1e16": ([1e16, -1.0, -1e16], [1.0, 1.0, 1.0], -1),
    "+1 beside 1e16": ([1e16, 1.0, -1e16], [1.0, 1.0, 1.0], 1),
}


def test_float64_gets_the_hard_pairs_wrong():
    for name, (a, b, sign) in HARD.items():
        exact = sum(Fraction(p) * Fraction(q) for p, q in zip(a, b, strict=True))
        assert (exact > 0) - (exact < 0) == sign
        if name != "zero, of products":  # wrong only where there is a fused multiply-add
            assert np.sign(sum(p * q for p, q in zip(a, b, strict=True))) != sign


@pytest.mark.parametrize("scale", [1.0, 2.0**-664, 2.0**664], ids=["1", "1e-200", "1e200"])
@pytest.mark.parametrize(("a", "b", "sign"), HARD.values(), ids=HARD)
def test_hard_signs(a, b, sign, scale):
    a, b = np.array(a) * scale, np.array(b) * scale
    assert check_decided([a, b], [1, -1]).holds is (sign <= 0)
    within = check_decided([a, b, -a - b], [-1, -1, 1])
    assert ([0, 1] in within.offenders.tolist()) is (sign <= 0)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_exact_zeros_at_every_scale(scale):
    assert check_decided(np.eye(2) * scale, [1, -1]).holds
    assert check_decided(np.vstack([np.eye(2), -np.ones(2)]) * scale, [1, 1, -1]).offenders.tolist() == [[0, 1]]


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-100, 1e100, 1e200, 1e300])
def test_scale_does_not_matter(scale):
    flowers = iris("setosa", "versicolor")
    shrunk, found = Dataset(flowers.X * scale, flowers.y).check_assumptions().H1, flowers.check_assumptions().H1
    assert (shrunk.violations, shrunk.worst[:10]) == (found.violations, found.worst[:10])
    np.testing.assert_allclose(shrunk.margin, found.margin, rtol=1e-12)


def test_points_of_very_different_lengths():
    check_decided([[1e300, 1e299], [1e-300, 1e-301], [-1e-300, -2e-300], [-1e200, 0.0]], [1, 1, -1, -1])


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    points=hnp.arrays(
        float, st.tuples(st.integers(2, 7), st.integers(1, 4)), elements=st.floats(-100, 100, width=16)
    ).filter(lambda X: np.all(np.any(X != 0, axis=1))),
    seed=st.integers(0, 99),
)
def test_any_points_against_rational_arithmetic(points, seed):
    labels = np.random.default_rng(seed).permutation([1, -1, *[1, -1, 1, -1, 1][: len(points) - 2]])
    check_decided(points, labels)


# ---- (H1): size -------------------------------------------------------------------------------------------


def test_5000_points_take_less_than_200_megabytes():
    clouds = data.gaussian_classes(2500, dimension=5, spread=0.6, rng=0)
    tracemalloc.start()
    found = clouds.check_assumptions().H1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
    assert found.total == 5000 * 4999 // 2
    assert len(found.offenders) == KEPT < found.violations
    # Every pair at once: 200 MB, but the simplest thing that can be right.
    gram = clouds.X @ clouds.X.T
    bad = np.triu(np.where(clouds.y[:, None] == clouds.y, gram <= 0, gram > 0), 1)
    assert found.violations == bad.sum()
    np.testing.assert_array_equal(found.offenders, np.argwhere(bad)[:KEPT])


# ---- (H2), (H3) -------------------------------------------------------------------------------------------

#: Two points of class +1 about (1, 0), two of class -1 about (-1, 0).
POINTS = Dataset([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]], [1, 1, -1, -1])


def units(W, Z):
    checked = POINTS.check_assumptions(Network((W, Z)))
    assert [a.name for a in checked] == ["H1", "H2", "H3"]
    assert checked.H1
    return checked


def test_one_unit_a_class_satisfies_everything():
    checked = units([[1.0, 0.0], [-3.0, 0.0]], [0.5, -0.25])
    assert checked
    assert checked.failed == ()
    assert (checked.H2.violations, checked.H2.total, checked.H3.total) == (0, 2, 2)
    np.testing.assert_allclose(checked.H2.margin, 2 / np.sqrt(5), rtol=1e-15)  # cosine of (1, 0) and (2, 1)
    assert (checked.H3.margin, checked.H3.worst) == (0.25, "unit 1")
    assert "\n" in str(checked)
    assert str(checked.H3) == (
        "H3 holds for all 2 units (output weight of the sign of the unit's class); margin of safety 0.25: unit 1"
    )


def test_h2_margin_is_the_cosine_nearest_to_the_wrong_sign():
    checked = units([[1.0, 0.0], [-1.0, 1.9]], [1.0, -1.0])
    assert checked.H2
    # (-1, 1.9) . (-2, -1) = 0.1 is the narrow one: active, but nearly at a right angle.
    np.testing.assert_allclose(checked.H2.margin, 0.1 / np.sqrt(5 * (1 + 1.9**2)), rtol=1e-13)
    assert checked.H2.worst == "unit 1"


@pytest.mark.parametrize(
    ("w", "activity"),
    [
        ([0.0, 1.0], "one point of each class"),
        ([1.0, 3.0], "one of class +1 and one of class -1"),
        ([1.0, 2.0], "one point of class +1 exactly at 0"),
        ([0.0, 0.0], "no point, weights 0"),
    ],
)
def test_h2_needs_all_points_of_one_class_and_no_other(w, activity):
    checked = units([[1.0, 0.0], [-1.0, 0.0], w], [1.0, -1.0, 1.0])
    assert not checked.H2, activity
    assert checked.H2.violations == 1
    assert checked.H2.offenders.tolist() == [[2]]
    assert checked.H2.worst == "unit 2"
    assert checked.H2.margin <= 0
    assert str(checked.H2).startswith("H2 fails for 1 of 3 units")


def test_a_preactivation_of_0_is_allowed_on_the_other_class():
    points = Dataset([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    checked = points.check_assumptions(Network(([[1.0, 0.0], [0.0, 1.0]], [1.0, -1.0])))
    assert checked
    assert checked.H2.margin == 0


def test_a_dead_unit_violates_h2_only():
    points = Dataset([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    checked = points.check_assumptions(Network(([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [1.0, -1.0, 0.0])))
    assert [a.name for a in checked.failed] == ["H2"]
    assert checked.H2.offenders.tolist() == [[2]]
    np.testing.assert_allclose(checked.H2.margin, -np.sqrt(0.5), rtol=1e-15)
    # It has no class, so its output weight has no wrong sign.
    assert (checked.H3.margin, checked.H3.worst) == (1.0, "unit 0")


@pytest.mark.parametrize("z", [-1.0, 0.0, 1.0])
def test_a_unit_active_on_both_classes_violates_both(z):
    points = Dataset([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    checked = points.check_assumptions(Network(([[1.0, 1.0], [1.0, 0.0]], [z, 1.0])))
    assert [a.name for a in checked.failed] == ["H2", "H3"]
    np.testing.assert_allclose(checked.H2.margin, -np.sqrt(0.5), rtol=1e-15)
    assert (checked.H3.margin, checked.H3.offenders.tolist()) == (-abs(z), [[0]])


@pytest.mark.parametrize(("Z", "offenders"), [([1.0, 1.0], [[1]]), ([-2.0, -1.0], [[0]]), ([0.0, 0.0], [[0], [1]])])
def test_h3_needs_the_sign_of_the_class(Z, offenders):
    checked = units([[1.0, 0.0], [-1.0, 0.0]], Z)
    assert checked.H2
    assert not checked.H3
    assert checked.H3.offenders.tolist() == offenders
    assert checked.H3.margin == min(Z[0], -Z[1])
    assert checked.H3.worst == f"unit {offenders[0][0]}"


def test_a_violating_unit_is_worse_than_one_that_holds_narrowly():
    points = Dataset([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    checked = points.check_assumptions(Network(([[1.0, 0.0], [0.0, 0.0]], [1.0, 1.0])))
    assert (checked.H2.margin, checked.H2.worst) == (0.0, "unit 1")


def test_every_unit_of_an_ensemble_is_checked():
    good, dead = [[1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]
    checked = units([[good, good, dead], [good, dead, good]], [[[1, -1], [1, 1], [1, -1]]] * 2)
    assert (checked.H2.total, checked.H3.total) == (12, 12)
    assert checked.H2.offenders.tolist() == [[0, 2, 1], [1, 1, 1]]
    assert checked.H2.worst in ("unit (0, 2, 1)", "unit (1, 1, 1)")
    assert checked.H3.offenders.tolist() == [[0, 1, 1]]
    assert checked.H3.worst == "unit (0, 1, 1)"
    assert "(0, 2, 1), (1, 1, 1); worst unit" in str(checked.H2)


def test_an_ensemble_is_the_sum_of_its_members():
    rng = np.random.default_rng(3)
    ensemble = Network((rng.normal(size=(20, 4, 2)), rng.normal(size=(20, 4))))
    together = POINTS.check_assumptions(ensemble)
    alone = [POINTS.check_assumptions(ensemble[k]) for k in range(20)]
    for name in ("H2", "H3"):
        counts = [getattr(a, name).violations for a in alone]
        assert getattr(together, name).violations == sum(counts) > 0
        margin = min(getattr(a, name).margin for a in alone)
        np.testing.assert_allclose(getattr(together, name).margin, margin, rtol=1e-13)
        where = [[k, *row] for k, a in enumerate(alone) for row in getattr(a, name).offenders.tolist()]
        assert getattr(together, name).offenders.tolist() == where


def test_network_of_another_dimension():
    with pytest.raises(ValueError, match="X must have 3 columns, the network's number of inputs, got 2"):
        POINTS.check_assumptions(Network((np.ones((1, 3)), [1.0])))


# ---- what comes back --------------------------------------------------------------------------------------


def test_without_a_network_only_h1_is_checked():
    checked = POINTS.check_assumptions()
    assert [a.name for a in checked] == ["H1"]
    with pytest.raises(AttributeError, match="H2 was not checked"):
        _ = checked.H2
    with pytest.raises(AttributeError, match="H4 was not checked"):
        _ = checked.H4
    with pytest.raises(AttributeError, match=r"^H7$"):
        _ = checked.H7
    with pytest.raises(KeyError, match="H1' was not checked"):
        _ = checked["H1'"]
    assert checked["H1"] is checked.H1 and "H1" in checked and "H2" not in checked


def test_to_dict_is_plain():
    checked = units([[1.0, 0.0], [0.0, 0.0]], [1.0, 1.0])
    entries = json.loads(json.dumps(checked.to_dict(), allow_nan=False))
    assert list(entries) == ["H1", "H2", "H3"]
    assert entries["H2"]["holds"] is False
    assert entries["H2"]["offenders"] == [[1]]
    assert entries["H2"]["violations"] == 1


def test_results_are_frozen():
    checked = POINTS.check_assumptions()
    with pytest.raises(AttributeError, match="cannot assign"):
        checked.H1.holds = False
    with pytest.raises(AttributeError, match="cannot assign"):
        checked.checked = ()


def test_more_than_20_offenders_are_not_all_named():
    text = str(Dataset(np.vstack([np.eye(7), -np.ones(7)]), [1] * 7 + [-1]).check_assumptions().H1)
    assert "fails for 21 of 28 pairs" in text
    assert ": (0, 1), (0, 2), (0, 3)," in text and "(4, 5), (4, 6), ...; worst points 0 and 1" in text
