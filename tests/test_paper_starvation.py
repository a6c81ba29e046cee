"""The claim on starvation: its data, what its networks show, and that a wrong formula shows."""

import functools

import numpy as np
import pytest

from dynsim.comparison import Verdict
from dynsim.data import starving_features
from dynsim.empirical.training import train
from dynsim.paper import decoupled_networks, starvation, starved_networks
from dynsim.theory import starvation as theory


@functools.cache
def reproduced():
    return starvation.reproduce(True)


def disagreeing(lines):
    return [line.what for line in lines if line.verdict == Verdict.DISAGREES]


# ---- figures as data ---------------------------------------------------------------------------------------


def test_figure_10_is_table_1():
    found = starvation.figure_10(starvation.FREQUENCIES)
    assert np.abs(found.confidence - np.array(starvation.PRINTED) / 100.0).max() < 0.005
    assert "Thm 6.1" in found.what


def test_figure_6_is_another_curve_and_says_so():
    found, bound = starvation.figure_6(), starvation.figure_10()
    assert found.frequency.tolist() == bound.frequency.tolist() and len(found.frequency) == 101
    # They meet at lam = 1, where both are P; elsewhere Fig. 6 lies above.
    assert np.all(found.confidence[:, :-1] > bound.confidence[:, :-1])
    assert found.confidence[:, -1] == pytest.approx(starvation.CONFIDENCES, rel=1e-14)
    assert "sqrt(L)" in found.what and "z*" in found.what


def test_figure_6_is_neither_solution_nor_bound():
    """From alpha0 = beta0 = z0 = .1 and lam = .1: the solution .641, Fig. 6 .658; z* is not sqrt(L)."""
    moment = theory.at_confidence(0.99, 0.1, 0.1, 0.1, frequency=0.1)
    drawn = float(starvation.figure_6([0.1], [0.99]).confidence[0, 0])
    assert [round(float(moment.confidence[1]), 3), round(drawn, 3)] == [0.641, 0.658]
    assert abs(float(moment.z) - np.sqrt(np.log(99.0))) > 1e-3


# ---- the claim ---------------------------------------------------------------------------------------------


def test_every_part_is_there():
    what = " ".join(line.what for line in reproduced().lines)
    for part in ("Table 1", "64 units", "alpha0 < beta0/lam", "exponential", "hinge", "N = 5", "weight decay"):
        assert part in what
    assert sum("as printed" in line.what for line in reproduced().lines) == 8
    titles = [table.title for table in reproduced().tables]
    assert len(titles) == 3 and all(len(row) == len(t.header) for t in reproduced().tables for row in t.rows)


def test_table_of_decoupling():
    """docs/theory.md, section 18: weight decay lets the strong feature starve the weak one."""
    rows = decoupled_networks.table().rows
    assert [row[2] for row in rows] == ["1.640", "1.583", "1.467", "1.329", "1.185"]
    assert {row[3:] for row in rows} == {("4.589", "1.230")}


@pytest.mark.parametrize(
    ("name", "scaled", "part"),
    [
        ("bound", "frequency", "as printed"),
        ("at_confidence", "frequency", "networks as lr -> 0"),
        ("linear_path", "frequency", "linear model, exp"),
        ("hinge_limit", "frequency", "hinge"),
        ("rank_one", "frequency", "slope of log v2"),
        ("responses", "strength", "weight decay"),
    ],
)
def test_a_wrong_formula_shows(name, scaled, part, monkeypatch):
    right = getattr(theory, name)

    def wrong(*args, **options):
        if scaled in options:
            options[scaled] = np.multiply(1.02, options[scaled])
        else:
            # `bound` and `hinge_limit` take it by position.
            args = (*args[:-1], np.multiply(1.02, args[-1]))
        return right(*args, **options)

    monkeypatch.setattr(theory, name, wrong)
    parts = {
        "bound": lambda: starvation._table_1(True),
        "at_confidence": lambda: starvation._two_starts(0.05),
        "linear_path": lambda: starvation._linear(0.05),
        "hinge_limit": lambda: starvation._linear(0.05),
        "rank_one": lambda: starvation._depth(True),
        "responses": decoupled_networks.lines,
    }
    lines = parts[name]()
    assert any(part in what for what in disagreeing(lines))


def test_eq_8_without_z_shows(monkeypatch):
    """The paper's eq 8 leaves z' out: with z kept where it starts the many units disagree."""
    right = theory.solve

    def frozen(alpha, beta, z, **options):
        found = right(alpha, beta, z, **options)
        object.__setattr__(found, "z", np.broadcast_to(found.z[:1], found.z.shape))
        return found

    monkeypatch.setattr(theory, "solve", frozen)
    _, lines = starvation._many_units(True)
    assert len(disagreeing(lines)) >= 3


def test_a_network_that_breaks_the_bound_is_counted():
    """Starts outside the assumption are counted where the bound for those inside is asked of them."""
    alpha, beta, z = starved_networks.random_starts(50, 0.1, False, 0)
    assert np.all(beta > 0.1 * alpha)
    found = starved_networks.broken(alpha, beta, z, 0.1, lr=0.05, until=20.0)
    assert found.plain > 25 and found.general == 0 and found.number == 50


def test_random_starts_are_as_asked():
    alpha, beta, z = starved_networks.random_starts(1000, 0.2, True, 3)
    assert alpha.shape == beta.shape == z.shape == (1000,)
    assert np.all((beta <= 0.2 * alpha) & (beta > 0.0))
    assert min(alpha.min(), z.min()) >= 0.01 and max(alpha.max(), z.max()) <= 1.0
    again = starved_networks.random_starts(1000, 0.2, True, 3)
    assert np.array_equal(alpha, again[0])


# ---- what is read off a network ----------------------------------------------------------------------------


def test_weak_at_reads_a_chord():
    t = np.linspace(0.0, 1.0, 11)
    path = starved_networks.Logits(t, t, t**2)
    value, error = starved_networks.weak_at(path, 0.55)
    # On the chord from .5 to .6: .305 where the square is .3025; h^2 f''/8 = .0025, and twice that is allowed.
    assert value == pytest.approx(0.305) and error == pytest.approx(0.005)
    with pytest.raises(ValueError, match=r"level must be passed after two steps or more, got 2"):
        starved_networks.weak_at(path, 2.0)


def test_a_chain_has_the_logits_asked_for():
    for depth in (1, 2, 5):
        X = np.array([[1.0, 0.0], [0.0, 1.0]])
        assert starved_networks.chain(0.3, 0.2, depth).logits(X) == pytest.approx([0.3, 0.2], rel=1e-14)


def test_logits_are_those_of_the_features_alone():
    network = starved_networks.unit(0.3, 0.2, 0.5)
    run = train(network, starving_features(0.1), lr=0.1, steps=20, record=2)
    path = starved_networks.logits(run)
    assert run.network is not None
    alone = run.network.logits(np.eye(2))
    assert [path.strong[-1], path.weak[-1]] == pytest.approx(alone.tolist(), rel=1e-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([3.0],), r"frequency must be at most 1, got 3$"),
        (([-0.1],), r"frequency must be at least 0 and finite, got \[-0\.1\]$|frequency must be at least 0"),
        ((0.1,), r"frequency must have 1 dimension, got shape \(\)$"),
        (([0.1], 0.99), r"confidence must have 1 dimension, got shape \(\)$"),
        (([0.1], [2.0]), r"confidence must be at least 0\.5 and below 1, got 2$"),
        (([0.1], [0.3]), r"confidence must be at least 0\.5 and below 1, got 0\.3$"),
        (([0.1], [1.0]), r"confidence must be at least 0\.5 and below 1, got 1$"),
    ],
)
@pytest.mark.parametrize("figure", [starvation.figure_6, starvation.figure_10])
def test_wrong_figures_are_refused(figure, arguments, message):
    with pytest.raises(ValueError, match=message):
        figure(*arguments)
