"""What the figures of the game and of brightness show: the laws as they are written out here, and the runs."""


import numpy as np
import pytest
from drawn import TIGHT, axes, curve, curves, marks, reproduced
from scipy.integrate import solve_ivp
from scipy.special import expit

from dynsim.empirical import gan as games
from dynsim.paper import brightness

# ---- the game ----------------------------------------------------------------------------------------------


def signal_of(u, objective):
    """The length of the gradient at a fake point of norm 1/2 with the logit -u."""
    return {"linear": u, "non-saturating": u * expit(u), "saturating": u * expit(-u)}[objective] / 0.5


@pytest.mark.parametrize(("k", "loss", "objective"), [
    (0, "hinge", "linear"), (1, "cross_entropy", "non-saturating"), (2, "cross_entropy", "saturating"),
])  # fmt: skip
def test_what_the_generator_is_told(k, loss, objective):
    theory, apart = axes("gan")[3], axes("gan")[6]
    t, drawn = curve(theory, f"{loss}, {objective}")
    kappa, initial, lr = 0.5, 0.01, 0.04
    if loss == "hinge":
        u = np.minimum(1.0, initial * np.exp(2.0 * kappa * t))
    else:
        u = solve_ivp(lambda t, u: 2.0 * kappa * u * expit(-u), (0.0, t[-1]), [initial], t_eval=t, **TIGHT).y[0]
    np.testing.assert_allclose(drawn, signal_of(u, objective), rtol=1e-8)
    # Gradient descent: both weights of a balanced unit grow by the factor 1 + lr kappa g(u).
    x, dots = marks(theory)[k]
    steps, u, run = np.rint(x / lr).astype(int), initial, [initial]
    for _ in range(steps[-1]):
        g = float(u < 1.0) if loss == "hinge" else float(expit(-u))
        u *= (1.0 + lr * kappa * g) ** 2
        run.append(u)
    np.testing.assert_allclose(dots, signal_of(np.array(run)[steps], objective), rtol=1e-10)
    (x_off, off), (_, floor) = curves(apart)[2 * k : 2 * k + 2]
    found = [line for line in reproduced("gan").lines if line.what.startswith(f"{loss}, {objective} ")]
    assert x_off.tolist() == x.tolist() and floor.tolist() == [line.floor for line in found]
    np.testing.assert_allclose(off, np.abs(np.array([line.predicted for line in found]) - dots), rtol=1e-9)


def test_the_games_that_are_drawn_are_those_that_were_played():
    figure = reproduced("gan").figure
    assert "toy size" in figure.get_suptitle()
    settings = reproduced("gan").parameters["games"]
    runs = [games.train(games.Settings(**one)) for one in settings]
    places = {4: "covered", 5: "signal", 7: "fair", 8: "good"}
    for place, name in places.items():
        ax = figure.axes[place]
        for k in range(3):
            mine = [getattr(run, name) for run in runs[2 * k : 2 * k + 2]]
            *each, mean = ax.lines[3 * k : 3 * k + 3]
            for line, values in zip(each, mine, strict=True):
                assert line.get_ydata().tolist() == values.tolist()
            np.testing.assert_allclose(mean.get_ydata(), np.mean(mine, axis=0))
    for k in range(3):
        generated = figure.axes[k].lines[1].get_xydata()
        np.testing.assert_array_equal(generated, runs[2 * k].samples[-1])


# ---- brightness --------------------------------------------------------------------------------------------


def test_confidences_and_accuracies_are_those_of_the_networks():
    found = brightness.results(((3, 8),), **brightness._QUICK)[3, 8]
    assert "toy size" in reproduced("brightness").figure.get_suptitle()
    middle, last = axes("brightness")[1], axes("brightness")[5]
    n, y = len(found.untouched), found.untouched.y
    on = {"modified": slice(0, n), "untouched": slice(n, 2 * n)}
    for label, training, images, only in (
        ("modified, on modified", "modified", "modified", None),
        ("modified, on untouched 3", "modified", "untouched", 1),
        ("modified, on untouched 8", "modified", "untouched", -1),
        ("untouched, on untouched", "untouched", "untouched", None),
    ):
        run = found.runs[training]
        t, drawn = curve(middle, label)
        P = 1.0 / (1.0 + np.exp(-y * run.logits[..., on[images]]))
        masks = [test & (True if only is None else y == only) for test in found.test]
        means = [np.mean([P[k, s, mask].mean() for s, mask in enumerate(masks)]) for k in range(1, len(run.time))]
        np.testing.assert_allclose(drawn, means, rtol=1e-12)
        assert t.tolist() == run.time[1:].tolist()
    for k, training in enumerate(("modified", "untouched", "decoupled")):
        right = y * found.runs[training].logits[-1][:, on["untouched"]] > 0.0
        accuracy = np.mean([right[s, test].mean() for s, test in enumerate(found.test)])
        assert last.containers[k].lines[0].get_ydata()[0] == pytest.approx(accuracy)
    # Chance, and Table 2 (v2).
    assert {0.5, 0.432} <= {line.get_ydata()[0] for line in last.lines if len(line.get_ydata()) == 2}
