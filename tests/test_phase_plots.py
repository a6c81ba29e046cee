"""Figures of fates: what is drawn lies where the laws say."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from scipy import integrate, special

from dynsim.fates import Fate, Winner
from dynsim.phase_plots import FLOW, PATHS, SHADES, phase_plane
from dynsim.sheet_plots import SIDES, hyperboloid
from dynsim.theory import competition, phases

#: A hyperbola is drawn from its closed form: some roundings of terms of its size.
ROUNDING = 1e-14


def labelled(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line


def flow_lines(ax):
    return [line for line in ax.lines if line.get_color() == FLOW["color"]]


#: y and z of a frame: around the origin, and where not all fates are seen.
FRAMES = [((-0.4, 1.2), (-1.5, 1.5)), ((0.1, 0.9), (-2.0, -0.1)), ((-1.0, 2.0), (0.2, 1.0))]


# ---- the plane ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [0.1, 0.7, 5.0])
def test_flow_lines_lie_on_hyperbolas_and_run_with_the_flow(norm):
    ax = phase_plane(norm=norm, z=(-1.05 / norm, 1.05 / norm))
    lines = flow_lines(ax)
    assert len(lines) >= 15
    for line in lines:
        z, y = line.get_data()
        square = y**2 - (norm * z) ** 2
        assert np.ptp(square) <= ROUNDING * np.max(y**2 + (norm * z) ** 2)
        # z' = p y g > 0 wherever anything moves.
        assert np.all(np.diff(z) > 0) and np.all(y >= 0)
    heads = [text for text in ax.texts if text.arrow_patch is not None]
    assert len(heads) == len(lines)
    for head in heads:
        assert head.xy[0] > head.xyann[0]


def test_the_separatrix_is_its_line():
    ax = phase_plane(norm=0.7)
    z, y = labelled(ax, "separatrix y = -|x| z").get_data()
    assert np.array_equal(y, -0.7 * z)
    assert (z[0], z[-1]) == (-1.5, 0.0)
    z, y = labelled(ax, "y = 0: inactive").get_data()
    assert np.all(y == 0) and (z[0], z[-1]) == (-1.5, 1.5)


@pytest.mark.parametrize("norm", [0.1, 0.7, 5.0])
@pytest.mark.parametrize("frame", FRAMES)
def test_regions_are_those_of_the_theory(norm, frame):
    ax = phase_plane(norm=norm, y=frame[0], z=frame[1])
    areas = {area.get_label(): [path for path in area.get_paths()] for area in ax.collections}
    words = {"solves the task": Fate.SOLVES, "dies in finite time": Fate.DIES, "frozen from the start": Fate.FROZEN}
    rng = np.random.default_rng(0)
    y, z = rng.uniform(*frame[0], 400), rng.uniform(*frame[1], 400)
    said = phases.fate(y, z, norm=norm)
    for label, fate in words.items():
        outlines = areas.get(label, [])
        inside = np.zeros(400, dtype=bool)
        for outline in outlines:
            inside |= Outline(outline.vertices).contains_points(np.column_stack([z, y]))
        assert np.array_equal(inside, said == fate)


def test_shades_differ_in_lightness():
    """Relative luminances (ITU-R BT.709), which is what is left without colour."""
    for shades in (SHADES, SIDES):
        light = sorted(
            sum(w * int(shade[i : i + 2], 16) for w, i in zip((0.2126, 0.7152, 0.0722), (1, 3, 5), strict=True))
            for shade in shades.values()
        )
        assert min(np.diff(light)) > 0.06 * 255


def test_paths_are_those_of_the_law_up_to_death():
    starts = np.array([[0.9, -1.0], [0.5, -1.0], [0.7, -1.0]])
    ax = phase_plane(norm=0.7, frequency=0.5, starts=starts, y=(-0.4, 3.0), z=(-1.5, 4.0))
    for k, start in enumerate(starts):
        own = [line for line in ax.lines if line.get_color() == PATHS[k]]
        (path,) = [line for line in own if len(line.get_xdata()) > 1]
        crosses = [line for line in own if line.get_marker() == "X"]
        z, y = path.get_data()
        assert (y[0], z[0]) == tuple(start)
        # The law's own path, to its documented accuracy.
        assert y**2 - (0.7 * z) ** 2 == pytest.approx(start[0] ** 2 - (0.7 * start[1]) ** 2, abs=1e-11)
        assert len(crosses) == (k == 1)
    assert y[-1] < 1e-6 and abs(z[-1]) < 1e-5  # on the separatrix
    (cross,) = [line for line in ax.lines if line.get_marker() == "X"]
    z, y = cross.get_data()
    # y = 0 on the hyperbola of the start.
    assert y[0] == 0 and z[0] == pytest.approx(-np.sqrt(1.0 - (0.5 / 0.7) ** 2), rel=1e-11)


def measured(number, norm=0.7):
    y, z = np.linspace(-0.4, 1.2, number), np.linspace(-1.5, 1.5, number)
    return phases.fate(y[:, None], z, norm=norm), y, z


def test_few_outcomes_are_marks():
    fates, y, z = measured(12)
    ax = phase_plane(norm=0.7, outcomes=(fates, y, z))
    drawn = 0
    for fate in (Fate.SOLVES, Fate.DIES, Fate.FROZEN):
        marks = labelled(ax, f"network: {fate.name.lower()}")
        assert np.all(phases.fate(marks.get_ydata(), marks.get_xdata(), norm=0.7) == fate)
        drawn += len(marks.get_xdata())
    assert drawn == 144


def test_many_outcomes_are_dots_on_their_boundary():
    fates, y, z = measured(201)
    ax = phase_plane(norm=0.7, outcomes=(fates, y, z))
    x, height = labelled(ax, "networks: where fates change").get_data()
    # Halfway between two networks of different fates, so within half a cell of a boundary of the regions.
    step, across = y[1] - y[0], z[1] - z[0]
    off = np.minimum(np.abs(height) / step, np.abs(height + 0.7 * x) / max(step, 0.7 * across))
    assert np.all(off <= 0.5 + 1e-9)
    assert np.sum((height > 0.1) & (x < 0)) > 10 and np.sum(np.abs(height) < 0.01) > 20
    # A measured boundary is drawn where it is measured, not where the theory has it.
    other = phase_plane(norm=0.7, outcomes=measured(201, norm=0.5))
    x, height = labelled(other, "networks: where fates change").get_data()
    diagonal = height > 0.1
    assert height[diagonal] == pytest.approx(-0.5 * x[diagonal], abs=0.01)


def test_a_plane_without_changes_has_no_dots():
    fates = np.full((40, 40), Fate.SOLVES, dtype=object)
    ax = phase_plane(outcomes=(fates, np.linspace(0.1, 1.0, 40), np.linspace(0.1, 1.0, 40)))
    assert len(labelled(ax, "networks: where fates change").get_xdata()) == 0


def test_plane_draws_on_the_axes_it_is_given():
    ax = Figure().subplots()
    assert phase_plane(ax=ax) is ax
    assert ax.get_xlabel() and ax.get_ylabel() and ax.get_legend() is not None
    assert ax.get_xlim() == (-1.5, 1.5) and ax.get_ylim() == (-0.4, 1.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": 0.0}, r"norm must be positive and finite, got 0"),
        ({"frequency": -1.0}, r"frequency must be positive and finite"),
        ({"loss": "none"}, r"loss must be one of"),
        ({"y": (1.0, 0.0)}, r"y must be \(low, high\) with low below high"),
        ({"z": (1.0,)}, r"z must be \(low, high\)"),
        ({"starts": [1.0, 2.0]}, r"starts must be rows \(y, z\), got shape \(2,\)"),
        ({"outcomes": [Fate.DIES]}, r"outcomes must be \(fates, y, z\)"),
        ({"outcomes": ([[Fate.DIES]], [0.0], [0.0, 1.0])}, r"fates must have the shape \(1, 2\)"),
        ({"outcomes": ([["dies"]], [0.0], [0.0])}, r"fates must be members of Fate, got 'dies'"),
        ({"outcomes": ([[1], [1]], [0.0, 0.0], [0.0])}, r"outcomes: y must be increasing"),
    ],
)
def test_bad_arguments_of_the_plane(options, message):
    with pytest.raises(ValueError, match=message):
        phase_plane(**options)


# ---- the sheets --------------------------------------------------------------------------------------------

LAWS = [{}, {"norms": (1.0, 2.0), "frequencies": (0.7, 0.3)}]


def points(line):
    return np.array(line.get_data_3d())


def surfaces(ax):
    return [surface for surface in ax.collections if len(getattr(surface, "_faces", ())) > 1000]


def off_sheet(line, c, norms):
    """How far a line is from its sheet, in units of the terms of the invariant."""
    alpha, beta, z = points(line)
    terms = (alpha / norms[0]) ** 2 + (beta / norms[1]) ** 2
    return np.max(np.abs(terms - z**2 - c) / (terms + z**2 + abs(c)))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("c", [1.0, 0.0, -1.0])
def test_lines_lie_on_the_sheets_and_surfaces_too(c, law):
    norms = law.get("norms", (1.0, 1.0))
    radius = np.sqrt(c + 1.44)
    starts = [[norms[0] * radius * 0.6, norms[1] * radius * 0.8, 1.2], [norms[0] * radius, 0.0, -1.2]]
    ax = hyperboloid(c, starts=starts, **law)
    assert len(flow_lines(ax)) >= 10
    for line in ax.lines:
        # The invariant is kept to 1e-9, as theory.competition says.
        assert off_sheet(line, c, norms) <= 1e-9
        assert np.all(points(line)[:2] >= 0.0)
    corners = np.concatenate([surface._faces.reshape(-1, 3) for surface in surfaces(ax)])
    alpha, beta, z = corners.T
    assert (alpha / norms[0]) ** 2 + (beta / norms[1]) ** 2 - z**2 == pytest.approx(c, abs=1e-12)
    assert len(corners) >= 4 * 80 * 80
    assert np.max(np.abs(z)) == pytest.approx(1.5)


@pytest.mark.parametrize("law", LAWS)
def test_flow_lines_follow_the_flow(law):
    (a, b), (p, q) = law.get("norms", (1.0, 1.0)), law.get("frequencies", (1.0, 1.0))

    def field(t, state):
        alpha, beta, z = state
        g, h = p * special.expit(-z * alpha) * (alpha > 0), q * special.expit(z * beta) * (beta > 0)
        return [a * a * z * g, -b * b * z * h, alpha * g - beta * h]

    ax = hyperboloid(1.0, **law)
    for line in flow_lines(ax)[::5]:
        curve = points(line)
        alive = (curve[0] > 1e-3) & (curve[1] > 1e-3)
        path = curve[:, : max(2, int(np.argmin(alive)) if not alive.all() else len(alive))]
        other = integrate.solve_ivp(field, (0.0, 60.0), path[:, 0], rtol=1e-9, atol=1e-11, max_step=0.02)
        gap = np.sqrt(((path[:, :, None] - other.y[:, None, :]) ** 2).sum(axis=0)).min(axis=1)
        # A point of the path lies within half a step (0.01, at a speed below 4) of one of the other's.
        assert np.max(gap) < 0.04
        near = np.argmin(np.linalg.norm(other.y - path[:, -1:], axis=0))
        assert near > 0  # in the flow's direction, not against it


@pytest.mark.parametrize("law", LAWS)
def test_separatrix_runs_into_the_saddle(law):
    ax = hyperboloid(1.0, **law)
    curve, spot = points(labelled(ax, "separatrix")), points(labelled(ax, "saddle"))[:, 0]
    said = competition.saddle(1.0, **law)
    assert spot.tolist() == [said.alpha, said.beta, 0.0]
    assert np.min(np.linalg.norm(curve - spot[:, None], axis=0)) < 1e-6
    # The curve and the heights above it are two integrations, each right to 5e-12 of zeta.
    inner = curve[:, (curve[0] > 0) & (curve[1] > 0) & (curve[2] != 0)][:, ::37]
    clear = competition.clearance(*inner, **law)
    assert np.max(np.abs(clear.height)) < 1e-9
    assert "saddle" not in [line.get_label() for line in hyperboloid(-1.0).lines]


def test_patches_have_the_colour_of_the_winner():
    law = LAWS[1]
    ax = hyperboloid(1.0, **law)
    (surface,) = surfaces(ax)
    middles = np.mean(np.array(surface._faces), axis=1)
    colours = surface._facecolor3d
    winners = competition.winner(*middles.T, **law)
    for winner in np.unique(winners):
        own = np.all(np.isclose(colours[winners == winner], to_rgba(SIDES[winner])), axis=1)
        assert np.all(own)
    assert 0.1 < np.mean(winners == Winner.CLASS_1) < 0.9


def test_trained_paths_are_drawn_as_they_are():
    path = np.array([[1.0, 0.1, 0.0], [1.0, 0.05, 0.2], [9.0, 0.0, 9.0]])
    ax = hyperboloid(1.0, trained=[path])
    (dots,) = [line for line in ax.lines if line.get_linestyle() == "None" and len(points(line)[0]) == 2]
    # What lies above the drawn part is left out.
    assert np.array_equal(points(dots).T, path[:2])


def test_hyperboloid_draws_on_the_axes_it_is_given():
    ax = Figure().add_subplot(projection="3d")
    assert hyperboloid(-1.0, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("alpha = w.x1", "beta = w.x2", "z")


@pytest.mark.parametrize(
    ("c", "options", "message"),
    [
        (1.0, {"ax": Figure().subplots()}, r"ax must be three-dimensional, made with projection='3d', got Axes"),
        (np.nan, {}, r"c must be finite, got nan"),
        (1.0, {"norms": (1.0, 0.0)}, r"norms must be positive and finite, got 0"),
        (1.0, {"frequencies": (1.0,)}, r"frequencies must be two numbers, one a class, got shape \(1,\)"),
        (1.0, {"reach": -1.0}, r"reach must be positive and finite"),
        (-4.0, {"reach": 2.0}, r"reach must be above sqrt\(-c\) = 2, got 2\.0"),
        (1.0, {"starts": [[1.0, 1.0]]}, r"starts must be rows \(alpha, beta, z\), got shape \(1, 2\)"),
        (1.0, {"starts": [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]}, r"sheets of c = 1, got the invariant 4 in row 1"),
        (1.0, {"trained": [[1.0, 2.0]]}, r"trained\[0\] must be rows \(alpha, beta, z\)"),
    ],
)
def test_bad_arguments_of_the_sheets(c, options, message):
    with pytest.raises(ValueError, match=message):
        hyperboloid(c, **options)


def test_nothing_global_is_touched():
    """No pyplot, and no figure that somebody else would have to close."""
    code = (
        "import sys; from dynsim import plotting; assert 'matplotlib' not in sys.modules;"
        "plotting.phase_plane(); plotting.hyperboloid(1.0); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
