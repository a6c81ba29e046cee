"""The claims on starvation: their data, what their networks show, and that a wrong formula shows."""

import functools
import importlib

import numpy as np
import pytest

from dynsim.comparison import Verdict
from dynsim.data import starving_features
from dynsim.empirical.training import train
from dynsim.paper import deep_starvation, figure_6, spectral_decoupling, starved_networks, table_1, theorem_6_1
from dynsim.paper.claim import Standing
from dynsim.theory import starvation as theory

CLAIMS = (
    "theorem_6_1", "table_1", "figure_6", "theorem_d_2",
    "linear_starvation", "deep_starvation", "spectral_decoupling",
)  # fmt: skip


def module(name):
    return importlib.import_module(f"dynsim.paper.{name}")


@functools.cache
def reproduced(name):
    return module(name).reproduce(True)


def disagreeing(lines):
    return [line.what for line in lines if line.verdict == Verdict.DISAGREES]


# ---- figures as data ---------------------------------------------------------------------------------------


def test_figure_10_is_table_1():
    found = figure_6.figure_10(table_1.FREQUENCIES)
    assert np.abs(found.confidence - np.array(table_1.PRINTED) / 100.0).max() < 0.005
    assert "Thm 6.1" in found.what


def test_figure_6_is_another_curve_and_says_so():
    found, bound = figure_6.figure_6(), figure_6.figure_10()
    assert found.frequency.tolist() == bound.frequency.tolist() and len(found.frequency) == 101
    # They meet at lam = 1, where both are P; elsewhere Fig. 6 lies above.
    assert np.all(found.confidence[:, :-1] > bound.confidence[:, :-1])
    assert found.confidence[:, -1] == pytest.approx(figure_6.CONFIDENCES, rel=1e-14)
    assert "sqrt(L)" in found.what and "z*" in found.what


def test_figure_6_is_neither_solution_nor_bound():
    """From alpha0 = beta0 = z0 = .1 and lam = .1: the solution .641, Fig. 6 .658; z* is not sqrt(L)."""
    moment = theory.at_confidence(0.99, 0.1, 0.1, 0.1, frequency=0.1)
    drawn = float(figure_6.figure_6([0.1], [0.99]).confidence[0, 0])
    assert [round(float(moment.confidence[1]), 3), round(drawn, 3)] == [0.641, 0.658]
    assert abs(float(moment.z) - np.sqrt(np.log(99.0))) > 1e-3


# ---- the claims --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_is_whole(name):
    found, source = reproduced(name), module(name)
    explained = name in ("theorem_6_1", "figure_6")
    assert found.standing == (Standing.EXPLAINED if explained else Standing.AGREES)
    assert (found.name, found.source, found.statement) == (name, source.SOURCE, source.STATEMENT)
    assert source.SETTING.startswith(("Paper: ", "Not in the paper")) and len(source.STATEMENT) <= 210
    assert all(len(row) == len(table.header) for table in found.tables for row in table.rows)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("theorem_6_1", ("64 units", "of 200 trained networks", "the bound", "(0.1, 0.01, 0.1)")),
        ("table_1", ("as printed", "eq 8", "above the bound", "P = 0.9999")),
        ("figure_6", ("Fig. 6, lam = 0.8", "Fig. 10, lam = 0.05", "above the curve")),
        ("theorem_d_2", ("z*", "from the start alone", "beta0 < 0", "trained networks")),
        ("linear_starvation", ("exponential", "cross_entropy", "its bounds", "hinge, lam = 0.01")),
        ("deep_starvation", ("N = 2", "N = 3", "N = 5", "log t = 10,000")),
        ("spectral_decoupling", ("weight decay", "spectral decoupling", "z1", "s1 = 6: response z2")),
    ],
)
def test_every_part_is_there(name, parts):
    what = " ".join(line.what for line in reproduced(name).lines)
    assert all(part in what for part in parts)


def test_the_paper_is_off_where_it_is_explained():
    """(.1, .1, .1) ends at .641, above .613, which is the bound of the starts that are covered."""
    (line,) = (line for line in reproduced("theorem_6_1").lines if line.standing == Standing.EXPLAINED)
    assert [round(number, 3) for number in (line.predicted, line.mended, line.measured)] == [0.613, 0.641, 0.641]
    assert "does not cover" in line.explanation
    lines = [line for line in reproduced("figure_6").lines if line.standing == Standing.EXPLAINED]
    assert len(lines) == len(figure_6.FREQUENCIES)
    assert all(line.predicted > line.measured and "sqrt(L)" in line.explanation for line in lines)


def test_the_eight_numbers_are_there():
    printed = [line.predicted for line in reproduced("table_1").lines if "as printed" in line.what]
    assert printed == [0.91, 0.71, 0.61, 0.51, 0.99, 0.86, 0.72, 0.52]


def test_table_of_decoupling():
    """docs/theory.md, section 18: weight decay lets the strong feature starve the weak one."""
    rows = spectral_decoupling.table().rows
    assert [row[2] for row in rows] == ["1.640", "1.583", "1.467", "1.329", "1.185"]
    assert {row[3:] for row in rows} == {("4.589", "1.230")}


def test_table_of_slopes():
    """docs/theory.md, section 18, at log t = 60 and in the limit."""
    (table,) = reproduced("deep_starvation").tables
    assert [(row[0], row[2], row[-1]) for row in table.rows] == [
        ("2", "0.5738", "0.5000"), ("3", "0.6864", "0.6667"), ("5", "0.8032", "0.8000"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "law", "scaled", "part"),
    [
        ("theorem_6_1", "at_confidence", "frequency", "networks as lr -> 0"),
        ("theorem_6_1", "solve", "frequency", "64 units: logit"),
        ("table_1", "bound", "frequency", "as printed"),
        ("table_1", "at_confidence", "frequency", "eq 8"),
        ("figure_6", "at_confidence", "frequency", "Fig. 6"),
        ("theorem_d_2", "at_confidence", "frequency", "z*; eq 8"),
        ("theorem_d_2", "bound_from", "frequency", "the bound of Thm D.2"),
        ("linear_starvation", "linear_path", "frequency", "exponential"),
        ("linear_starvation", "hinge_limit", "frequency", "hinge"),
        ("deep_starvation", "rank_one", "frequency", "slope of log v2"),
        ("spectral_decoupling", "responses", "strength", "weight decay"),
    ],
)
def test_a_wrong_formula_shows(name, law, scaled, part, monkeypatch):
    """By 2 %."""
    right = getattr(theory, law)

    def wrong(*args, **options):
        if scaled in options:
            options[scaled] = np.multiply(1.02, options[scaled])
        else:
            # The frequency, taken by position.
            at = {"hinge_limit": 0}.get(law, 1)
            args = (*args[:at], np.multiply(1.02, args[at]), *args[at + 1 :])
        return right(*args, **options)

    monkeypatch.setattr(theory, law, wrong)
    monkeypatch.setattr(module(name), "_figure", lambda *args: None)
    found = module(name).reproduce(True)
    assert found.standing == Standing.DISAGREES
    assert any(part in what for what in disagreeing(found.lines))


def test_a_bound_that_is_too_low_is_broken(monkeypatch):
    right = theory.bound
    monkeypatch.setattr(theory, "bound", lambda P, lam, **options: right(P, 0.98 * np.asarray(lam), **options))
    assert any("(eq 8)" in what for what in disagreeing(theorem_6_1._random(True)))


def test_eq_8_without_z_shows(monkeypatch):
    """The paper's eq 8 leaves z' out: with z kept where it starts the many units disagree."""
    right = theory.solve

    def frozen(alpha, beta, z, **options):
        found = right(alpha, beta, z, **options)
        object.__setattr__(found, "z", np.broadcast_to(found.z[:1], found.z.shape))
        return found

    monkeypatch.setattr(theory, "solve", frozen)
    _, lines = theorem_6_1.many_units(0.05, (1, 8))
    assert len(disagreeing(lines)) >= 2


def test_the_next_term_is_that_of_the_tail():
    """(18.8): the slope is (N-1)/(N + tan^2 phi), below 1 - 1/N."""
    ratio = 0.01
    for depth in (2, 3, 5):
        exact = 1.0 - 1.0 / depth - (depth - 1.0) / (depth + ratio**2)
        assert deep_starvation.next_term(depth, ratio) == pytest.approx(exact, rel=1e-3)


# ---- random starts -----------------------------------------------------------------------------------------


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


def test_opposed_starts_are_opposed():
    alpha, beta, z = starved_networks.opposed_starts(1000, 3)
    assert alpha.shape == beta.shape == z.shape == (1000,)
    assert np.all((alpha > 0.0) & (beta < 0.0) & (z > 0.0))
    assert max(-beta.max(), alpha.min()) >= 0.01 and max(-beta.min(), alpha.max()) <= 1.0


def test_a_unit_that_sees_the_other_class_may_break_any_bound():
    """Where alpha + beta < 0 it is active on the mirror image of x1+x2; the claim leaves such starts out."""
    alpha, beta, z = starved_networks.opposed_starts(400, 2)
    sees = alpha + beta < 0.0
    one, other = (
        starved_networks.broken(alpha[which], beta[which], z[which], 0.1, lr=0.05, until=100.0)
        for which in (sees, ~sees)
    )
    assert one.plain > 0 and one.general > 0 and other.plain == other.general == 0


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


def test_training_goes_on_until_the_level_is_passed():
    network, data = starved_networks.unit([0.1, 0.3], [0.1, 0.01], 0.1), starving_features(0.1)
    path = starved_networks.until_learnt(network, data, 0.1, 4.0)
    assert np.all(path.strong[-1] >= 4.0) and not np.all(path.strong[len(path.time) // 4] >= 4.0)
    # In one go: the same numbers at every step.
    whole = starved_networks.followed(network, data, 0.1, float(path.time[-1]))
    for one, other in zip(path, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_level_that_is_never_passed_is_refused(monkeypatch):
    monkeypatch.setattr(starved_networks, "_LATEST", 20.0)
    network, data = starved_networks.unit(0.1, 0.1, 0.1), starving_features(0.1)
    with pytest.raises(ValueError, match=r"^level must be passed before t = 20, got 9$"):
        starved_networks.until_learnt(network, data, 0.1, 9.0)


def test_extrapolation_takes_two_orders_away():
    """Numbers with errors of first and second order in lr come out exact, their floor is twice the last change."""
    found = starved_networks.extrapolated(lambda lr: (1.0 + 0.3 * lr - 2.0 * lr**2, 0.0), 0.1)
    assert found.value == pytest.approx(1.0, abs=1e-14)
    # 2 |f2 - f1| of f(lr) = 2 v(lr/2) - v(lr) = 1 + lr^2, at lr and lr/2.
    assert found.floor == pytest.approx(2.0 * (0.1**2 - 0.05**2))
    put_off = starved_networks.stepped(lambda lr: np.array([1.0 + 0.3 * lr, 2.0]), 0.1)
    assert put_off.value == pytest.approx([1.03, 2.0]) and put_off.floor == pytest.approx([0.03, 0.0], abs=1e-14)


def test_an_ensemble_is_read_as_its_members_are():
    level, data = float(np.log(99.0)), starving_features(0.1)
    found = starved_networks.weak_of_all(starved_networks.unit([0.1, 0.2], 0.1, 0.1), data, 0.05, level)
    for i, alpha in enumerate((0.1, 0.2)):
        alone = starved_networks.rare_confidence((alpha, 0.1, 0.1), 0.1, 0.99, 0.05)
        assert 1.0 / (1.0 + np.exp(-found.value[i])) == pytest.approx(alone.value, rel=1e-10)


def test_the_output_weight_is_that_of_the_invariant():
    """alpha^2 + beta^2 - z^2 is kept by the flow, and z alpha = L."""
    start, L = (0.1, 0.1, 0.1), np.log(99.0)
    P, z = (f(start, 0.1, 0.99, 0.05) for f in (starved_networks.rare_confidence, starved_networks.output_weight))
    weak = np.log(P.value / (1.0 - P.value))
    kept = (L / z.value) ** 2 + (weak / z.value) ** 2 - z.value**2
    # d kept/dz is some 4 z, and P is off by as little.
    assert kept == pytest.approx(0.01, abs=20.0 * (z.floor + P.floor))


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
@pytest.mark.parametrize("figure", [figure_6.figure_6, figure_6.figure_10])
def test_wrong_figures_are_refused(figure, arguments, message):
    with pytest.raises(ValueError, match=message):
        figure(*arguments)
