"""The numbers that docs/theory.md prints, as it prints them."""

from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, special

from dynsim import Network, losses, train
from dynsim.data import point_classes
from dynsim.theory import competition, failure, generator, modes, shape, starvation
from dynsim.theory.slower_class import time_ratio

LINES = (Path(__file__).parent.parent / "docs" / "theory.md").read_text(encoding="utf-8").splitlines()
TEXT = " ".join(" ".join(LINES).split())


def printed(value, digits):
    """A number below 1 without its zero, as in the paper."""
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"


def test_inflections_of_every_depth():
    found = shape.inflection([2, 3, 4, 8, np.inf])
    logits = [printed(u, 7) for u in found.logit.tolist()]
    assert f"u* -log 2 {' '.join(logits)}" in TEXT
    assert f"P* 1/3 {' '.join(printed(P, 7) for P in found.confidence.tolist())}" in TEXT


def test_where_the_plateau_vanishes():
    C = shape.CRITICAL_IMBALANCE
    # Where the two positive roots merge, half of the digits are lost: a little below.
    roots = shape.inflections(C * (1 - 1e-12)).logit[1:]
    u = roots.mean()
    assert np.ptp(roots) < 1e-5
    wanted = f"C* = max Phi^{{1/2}} = {printed(C, 7)}, at u = {printed(u, 7)}, P = {printed(special.expit(u), 7)}."
    assert wanted in TEXT
    assert f"from {shape.inflections(1e-200).logit[0]:.4f} (C -> 0)" in TEXT


def test_how_slowly_the_asymptote_comes():
    three, four = (float(shape.asymptote(1e6, rate=1.0, terms=n)) for n in (3, 4))
    logit = float(modes.logit(1e6, initial=1e-3, rate=1.0))
    assert f"they give {three:.2f} at t = 1e6, four terms {four:.3f}, the logit is {logit:.3f}" in TEXT


@pytest.mark.parametrize("start", [1e-10, 1e-100])
def test_the_factor_of_small_starts(start):
    found = time_ratio(special.logit(0.9), initial=(start, 3 * start), rate=1.0).factor
    assert f"{printed(float(found), 3)} at u0 = {start:g}" in TEXT


def test_what_a_step_does_to_the_time_of_death():
    """(13.8) by quadrature in the clock, for one unit."""
    y, z = 0.6, -0.9
    s, d = y + z, y - z
    end = 0.5 * np.log(d / -s)
    brackets = []
    for name in ("cross_entropy", "exponential", "squared"):
        law = losses.get(name)

        def u(tau):
            return 0.25 * (s * s * np.exp(2 * tau) - d * d * np.exp(-2 * tau))

        def shift(tau, law=law):
            g = law.pull(u(tau))
            return law.slope(u(tau)) / g**2 * u(tau) * integrate.quad(lambda x: law.pull(u(x)), 0.0, tau)[0]

        first = 0.5 * np.log(law.pull(np.zeros(())) / law.pull(u(0.0)))
        brackets.append(printed(float(first + integrate.quad(shift, 0.0, end)[0]), 4))
    one, two, three = brackets
    wanted = f"the bracket is {one} for cross-entropy, {two} for the exponential and {three} for the squared loss"
    assert wanted in TEXT


STARTS = [(0.1, 0.1, 0.1), (0.2, 0.9, 0.2), (1.0, 0.0, -1.1)]


def test_deaths_of_figure_3():
    found = competition.solve(*np.transpose(STARTS), times=[0.0]).death
    first = [float(np.min(row[(row > 0.0) & (row < np.inf)])) for row in found]
    one, two, three = (f"{time:.5f}" for time in first)
    wanted = f"beta dies at t = {one}, from (.2, .9, .2) alpha at {two}, and from (1, 0, -1.1) alpha at {three},"
    assert wanted in TEXT
    lr, steps = 0.0025, []
    for alpha, beta, z in STARTS:
        # Inputs along the axes: w is (alpha, beta). A class is dead once its logit is exactly 0.
        network = Network(([[alpha, beta]], [z]))
        data = point_classes((1.0, 1.0), (1.0, 1.0), angle=90.0)
        run = train(network, data, lr=lr, steps=1_200, record="all")
        dead = (run.logits == 0.0) & (run.logits[0] != 0.0)
        steps.append(printed(lr * int(np.flatnonzero(dead.any(-1))[0]), 4).rstrip("0"))
    assert f"with lr = .0025, at {steps[0]}, {steps[1]} and {steps[2]}." in TEXT


def test_how_often_random_networks_fail():
    h = np.arange(1, 9)
    P = ["1", *(printed(x, 4) for x in failure.failure_probability(h[1:], "orthogonal").tolist())]
    assert f"At equal rates: {', '.join(P)} for h = 1, ..., 8." in TEXT
    # Only the ratio of the rates matters; this one is infinite to all digits.
    far = float(failure.failure_probability(4, "orthogonal", frequencies=(1.0, 1e-300)))
    assert f"(5/8)^h + (3/4)^h - (3/8)^h, {printed(far, 4)} at h = 4." in TEXT
    two, four = (printed(2 * (9 / 16) ** n - (3 / 8) ** n, 4) for n in (2, 4))
    assert f"which is {two} at h = 2 and {four} at h = 4." in TEXT
    assert f"sigma^{np.sqrt(2.0):.2f} at equal rates." in TEXT
    limit, value = printed(2 * (9 / 16) ** 2 - (1 / 8) ** 2, 4), printed(float(failure.failure_probability(2)), 4)
    assert f"{limit} against {value} at h = 2." in TEXT


def test_the_counts_of_failed_networks_are_those_of_their_page():
    page = (Path(__file__).parent.parent / "docs" / "failures.md").read_text(encoding="ascii")
    tables = {part.splitlines()[0]: part for part in page.split("\n## ")}

    def row(title, *start):
        """The cells of the first row that starts with these."""
        line = next(x for x in tables[title].splitlines() if x.startswith(f"| {' | '.join(start)} |"))
        return [cell.strip().replace("0.", ".", 1) for cell in line.strip("|").split("|")]

    hinge = row("Antipodal inputs at any scale", "0.3", "4", "hinge")
    assert f"h = 4 and sigma = 0.3, {hinge[3]} instead of {hinge[6]} by the rule of signs" in TEXT
    few = [row("Larger scales, orthogonal inputs", scale, "4")[3] for scale in ("0.02", "1", "10")]
    assert f"with h = 4 {few[0]}, {few[1]} and {few[2]} of 10,000 at sigma = 0.02, 1 and 10" in TEXT
    some, more = (" and ".join(row("Lone units, orthogonal inputs", scale)[6:8]) for scale in ("0.3", "4"))
    assert f"of all units {some} at sigma = 0.3, {more} at 4.".replace(" .0", " 0.0") in TEXT
    large, small = (row("How late choices vanish", scale)[4] for scale in ("0.1", "0.0003"))
    said = f"the power is {large} at sigma = 0.1 to 0.3, and {small} at 0.0003 to 0.001."
    assert said.replace("+- .", "+- 0.") in TEXT
    angles = [row("From acute angles to 180 degrees", angle)[2].split()[0] for angle in ("30", "60", "120", "150")]
    a, b, c, d = angles
    assert f"h = 3 it is {a} at 30 degrees, {b} at 60, {c} at 120 and {d} at 150." in TEXT
    steps = [row("The step size above 90 degrees", "175", lr)[4] for lr in ("0.1", "0.01")]
    assert f"of 10,000 with h = 2 at 175 degrees, {steps[0]} at lr = 0.1 and {steps[1]} at 0.01." in TEXT


def test_two_starts_of_a_starving_feature():
    P = starvation.at_confidence(0.99, 0.1, [0.1, 0.01], 0.1, frequency=0.1).confidence[:, 1]
    above, below, bound = (printed(float(x), 3) for x in (*P, starvation.bound(0.99, 0.1)))
    assert f"x2 is at {above}, above sigma(lambda L) = {bound};" in TEXT
    assert f"from beta0 = lambda alpha0 = .01 x2 is at {below}." in TEXT
    assert f"{above} against {bound}" in TEXT


def test_slopes_of_deep_starvation():
    depths = np.array([1.0, 2.0, 3.0, 5.0])
    path = starvation.rank_one(0.01, 0.001, depth=depths, frequency=0.1, log_times=[60.0, 1e3, 1e6])
    for k, N in enumerate((1, 2, 3, 5)):
        limit = f"| {N - 1}/{N} |" if N > 1 else "| 0 | never"
        row = next(line for line in LINES if line.startswith(f"| {N} | .") and limit in line)
        cells = [cell.strip() for cell in row.strip("|").split("|")][1:4]
        assert cells == [printed(float(x), len(cell) - 1) for x, cell in zip(path.slope[:, k], cells, strict=True)]
    two, three, four, five = (f"{v:.2f}" for v in path.weak[0])
    assert f"v_2 = {two}, {three}, {four} and {five} at log t = 60" in TEXT
    other = starvation.rank_one(0.1, 0.1, depth=depths[1:], frequency=0.1, log_times=[60.0]).slope[0]
    one, two, three = (printed(float(x), 4) for x in other)
    assert f"the slopes at log t = 60 are {one}, {two} and {three}," in TEXT


@pytest.mark.parametrize(("N", "log_t"), [(2, 1037.0), (3, 227.0), (5, 99.0)])
def test_where_the_slope_crosses_its_limit(N, log_t):
    times = log_t + np.array([-0.5, 0.5])
    slope = starvation.rank_one(0.01, 0.001, depth=N, frequency=0.1, log_times=times).slope
    assert slope[0] > 1.0 - 1.0 / N > slope[1]
    assert f"| {N - 1}/{N} | {log_t:,.0f} |" in TEXT


def test_decoupled_responses():
    U, s = starvation.mixing(0.5), np.stack([np.arange(2.0, 7.0), np.full(5, 2.0)], axis=-1)
    weak = ", ".join(f"{z:.3f}" for z in starvation.responses(U, s, strength=0.01, penalty="weights")[:, 1])
    one, two = starvation.responses(U, s, strength=0.01)[3]
    assert f"weight decay ends at z_2 = {weak}:" in TEXT
    assert f"Decoupled, z = ({one:.3f}, {two:.3f}) for all s_1." in TEXT
    assert f"m (1 + e^m) = 1/lam, {float(starvation.decoupled(0.01)):.4f} at lam = .01" in TEXT


def test_the_peak_of_a_generators_signal():
    u = float(generator.peak(initial=0.01, rate=1.0).logit)
    assert f"u* = 1 + W(1/e) = {u:.4f}, s* = (u* - 1)/|x| = W(1/e)/|x| = {u - 1:.4f}/|x|" in TEXT
    assert f"more than under hinge from u = {u:.4f} on" in TEXT


@pytest.mark.parametrize(("frequency", "percent"), [(0.5, 60), (0.2, 71), (0.1, 78), (0.01, 94)])
def test_how_many_log_uniform_starts_are_not_covered(frequency, percent):
    """log(beta/alpha) is triangular on (-log 1000, log 1000): above log lambda with 1 - (1 - x)^2/2."""
    x = -np.log(frequency) / np.log(1000.0)
    assert f"{1.0 - 0.5 * (1.0 - x) ** 2:.0%}" == f"{percent}%"
    assert f"| {printed(frequency, 2).rstrip('0')} | {percent} % |" in TEXT
