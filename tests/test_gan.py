"""The GAN of App. E.1 (v2): its passes, its scores, and that an interrupted run goes on as if nothing had been."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from dynsim import losses
from dynsim.empirical import gan, gan_processes, gan_scores, gan_state, networks
from dynsim.trajectory import Status

ROOT = Path(__file__).parents[1]
#: Four hidden layers, as in the paper, of few units.
SMALL = {"hidden": 12, "noise": 5, "batch": 8, "samples": 200, "records": 6, "steps": 60, "rng": 7}


def small(**changes):
    return gan.Settings(**{**SMALL, **changes})


def parts(run):
    """Everything but the settings, as bytes."""
    names = ("step", "time", "covered", "fair", "good", "real", "fake", "signal", "samples")
    return [getattr(run, name).tobytes() for name in names] + [run.status, run.message]


# ---- the passes --------------------------------------------------------------------------------------------


def batch_of(settings):
    """Two players with biases, the outputs of the second beyond 1 and -1; a batch of noise and of real points."""
    random = np.random.default_rng(5)
    both = gan.players(settings, random)
    for one in both:
        one.flat[...] *= 3.0
    both[1].biases[-1][...] = 0.5
    noise = random.standard_normal((settings.batch, settings.noise))
    return both, noise, random.standard_normal((settings.batch, 2))


def outputs(both, noise, real):
    generator, discriminator = both
    fake, made = networks.forward(generator.weights, noise, biases=generator.biases, classes=2)
    points = np.concatenate([real, fake])
    f, seen = networks.forward(discriminator.weights, points, biases=discriminator.biases)
    last, seen_fake = networks.forward(discriminator.weights, fake, biases=discriminator.biases)
    return fake, made, f, seen, last, seen_fake


def of_discriminator(loss, both, noise, real):
    f, n = outputs(both, noise, real)[2], len(real)
    return np.mean(losses.get(loss).value(f[:n])) + np.mean(losses.get(loss).value(-f[n:]))


def of_generator(objective, both, noise, real):
    f = outputs(both, noise, real)[4]
    phi = {"linear": -f, "saturating": -np.logaddexp(0.0, f), "non_saturating": np.logaddexp(0.0, -f)}
    return np.mean(phi[objective])


def differences(player, value, h=1e-6):
    """-d value / d parameter by central differences, for all parameters."""
    out = np.empty(player.flat.size)
    for i in range(out.size):
        kept = player.flat[0, i]
        ends = []
        for side in (h, -h):
            player.flat[0, i] = kept + side
            ends.append(value())
        player.flat[0, i] = kept
        out[i] = -(ends[0] - ends[1]) / (2.0 * h)
    return out


# h^2 |value'''| is 1e-12 times third derivatives of order 1, the rounding of values near 1 over h 2e-10; a unit may
# have its kink within h of a point, which is 1e-5 likely, and does not happen for these numbers.
CLOSE = 2e-9


@pytest.mark.parametrize("loss", gan.LOSSES)
def test_the_slope_of_the_discriminator_is_that_of_its_loss(loss):
    both, noise, real = batch_of(small(dtype="float64"))
    _, _, f, seen, _, _ = outputs(both, noise, real)
    assert f[8:].min() < -1.0 and f[:8].max() > 1.0
    gan.discriminator_slope(both[1], seen, f, losses.get(loss))
    wanted = differences(both[1], lambda: of_discriminator(loss, both, noise, real))
    np.testing.assert_allclose(both[1].slope[0], wanted, rtol=0, atol=CLOSE)
    assert np.abs(wanted).max() > 0.01


@pytest.mark.parametrize("objective", gan.OBJECTIVES)
def test_the_slope_of_the_generator_is_that_of_its_objective(objective):
    both, noise, real = batch_of(small(dtype="float64"))
    _, made, _, _, f, seen = outputs(both, noise, real)
    gan.generator_slope(both, (made, seen), f, gan.OBJECTIVES[objective])
    wanted = differences(both[0], lambda: of_generator(objective, both, noise, real))
    np.testing.assert_allclose(both[0].slope[0], wanted, rtol=0, atol=CLOSE)
    assert np.abs(wanted).max() > 1e-4


def test_one_precision_is_the_other_rounded():
    """The same numbers in float32: eps/2 a product, sums of at most 128 terms, five layers, and back."""
    settings = small(dtype="float64", hidden=64, noise=128)
    both, noise, real = batch_of(settings)
    _, made, f, seen, last, seen_fake = outputs(both, noise, real)
    gan.discriminator_slope(both[1], seen, f, losses.get("cross_entropy"))
    gan.generator_slope(both, (made, seen_fake), last, gan.OBJECTIVES["non_saturating"])
    single = gan.players(replace(settings, dtype="float32"), np.random.default_rng(5))
    for one, other in zip(single, both, strict=True):
        one.flat[...] = other.flat
        assert one.flat.dtype == one.slope.dtype == one.adam.m.dtype == one.adam.v.dtype == np.float32
    _, made, g, seen, last, seen_fake = outputs(single, noise.astype(np.float32), real.astype(np.float32))
    gan.discriminator_slope(single[1], seen, g, losses.get("cross_entropy"))
    gan.generator_slope(single, (made, seen_fake), last, gan.OBJECTIVES["non_saturating"])
    eps = np.finfo(np.float32).eps
    assert g.dtype == np.float32
    for a, b in ((g, f), (single[0].slope, both[0].slope), (single[1].slope, both[1].slope)):
        # Errors of n terms grow like sqrt(n) eps, of ten layers there and back like ten times that.
        assert 0.0 < np.max(np.abs(a - b)) < 10.0 * np.sqrt(128.0) * eps * np.max(np.abs(b))


def test_a_step_is_that_of_adam():
    """The first of Adam's steps is lr times the sign of the slope, whatever its size; the arrays stay single."""
    one, _ = gan.players(small(), np.random.default_rng(0))
    before = one.flat.copy()
    one.slope[...] = np.random.default_rng(1).standard_normal(one.slope.shape)
    told = np.sign(one.slope)
    one.step()
    # The rounding of a difference of weights up to 1.
    np.testing.assert_allclose(one.flat - before, 1e-4 * told, rtol=0, atol=2.0 * np.finfo(np.float32).eps)
    assert {a.dtype for a in (one.flat, one.slope, one.adam.m, one.adam.v, one.adam.room)} == {np.dtype("float32")}


@pytest.mark.parametrize(("start", "variance"), [("uniform", 1.0 / 3.0), ("he", 2.0)])
def test_the_starts_have_their_variance(start, variance):
    generator, discriminator = gan.players(gan.Settings(start=start), np.random.default_rng(0))
    shapes = [(256, 128), (256, 256), (256, 256), (256, 256), (2, 256)]
    assert [w.shape for w in generator.weights] == shapes
    assert [w.shape for w in discriminator.weights] == [(256, 2), *shapes[1:4], (256,)]
    assert [b.shape for b in discriminator.biases] == [(256,)] * 4 + [()]
    for layer in (0, 1, 3):
        w, b = generator.weights[layer], generator.biases[layer]
        # Five standard errors of a variance of 32,768 normal numbers.
        assert np.var(w) * w.shape[1] == pytest.approx(variance, rel=5.0 * np.sqrt(2.0 / w.size))
        assert (np.abs(b).max() > 0.0) == (start == "uniform")


def test_the_outcome_is_that_of_the_steps_written_out():
    """Ten steps of a game of two turns, by the functions above and an Adam in plain numbers."""
    settings = small(steps=10, records=1, turns=2, dtype="float64", loss="cross_entropy")
    start, random, _ = (np.random.default_rng(s) for s in np.random.SeedSequence(settings.rng).spawn(3))
    both = gan.players(settings, start)
    m, v, k = [0.0, 0.0], [0.0, 0.0], [0, 0]

    def step(i):
        g, one = both[i].slope[0].copy(), both[i]
        k[i] += 1
        m[i], v[i] = 0.5 * m[i] + 0.5 * g, 0.9 * v[i] + 0.1 * g * g
        one.flat[0] += 1e-4 * (m[i] / (1.0 - 0.5 ** k[i])) / (np.sqrt(v[i] / (1.0 - 0.9 ** k[i])) + 1e-8)

    for _ in range(10):
        for _ in range(2):
            noise = random.standard_normal((8, 5))
            real = gan_scores.draw(settings.middles, 0.1, 8, random)
            _, made, f, seen, _, _ = outputs(both, noise, real)
            gan.discriminator_slope(both[1], seen, f, losses.get("cross_entropy"))
            step(1)
        _, made, _, _, f, seen = outputs(both, noise, real)
        gan.generator_slope(both, (made, seen), f, gan.OBJECTIVES["non_saturating"])
        step(0)
    game = gan._Game(settings, None)
    for _ in range(10):
        game.advance()
    for one, other in zip(game.players, both, strict=True):
        np.testing.assert_allclose(one.flat, other.flat, rtol=0, atol=1e-13)


# ---- what is measured --------------------------------------------------------------------------------------


def test_scores_of_samples_made_by_hand():
    middles = gan_scores.centres(8, 2.0)
    inside, outside = middles[0] + [0.2999, 0.0], middles[1] + [0.0, 0.3001]
    found = gan_scores.scores([inside, outside, middles[2], middles[2]], middles, 0.1)
    assert found == (2, 2, 0.75)
    # 100 samples are 12.5 a mode: a quarter of that is 3.125, so 3 are too few and 4 enough.
    many = np.concatenate([np.repeat(middles[:1], 3, 0), np.repeat(middles[1:2], 4, 0), np.full((93, 2), 9.0)])
    assert gan_scores.scores(many, middles, 0.1) == (2, 1, 0.07)
    assert gan_scores.scores(np.zeros((5, 2)), middles, 0.1) == (0, 0, 0.0)


def test_scores_of_the_mixture_itself():
    middles = gan_scores.centres(8, 2.0)
    points = gan_scores.draw(middles, 0.1, 100_000, np.random.default_rng(0))
    found = gan_scores.scores(points, middles, 0.1)
    share = 1.0 - np.exp(-4.5)
    assert found[:2] == (8, 8)
    assert abs(found.good - share) < 4.0 * np.sqrt(share * (1.0 - share) / 100_000)
    assert np.abs(np.var(points[:, 0]) - (2.0 + 0.01)) < 0.05


def test_a_record_is_what_the_networks_say():
    settings = small(steps=1, records=1, dtype="float64", loss="cross_entropy", objective="saturating")
    run = gan.train(settings)
    game = gan._Game(settings, None)
    f, _ = networks.forward(game.discriminator.weights, run.samples[0], biases=game.discriminator.biases)

    def phi(X):
        out, _ = networks.forward(game.discriminator.weights, X, biases=game.discriminator.biases)
        return -np.logaddexp(0.0, out)

    # Central differences in both coordinates; a kink of a unit near one of 200 points would cost at most 1/200.
    steps = 1e-6 * np.eye(2)
    slope = np.stack([(phi(run.samples[0] + h) - phi(run.samples[0] - h)) / 2e-6 for h in steps], -1)
    assert run.signal[0] == pytest.approx(np.mean(np.linalg.norm(slope, axis=-1)), rel=1e-4)
    assert run.fake[0] == pytest.approx(np.mean(f), rel=1e-12)
    found = gan_scores.scores(run.samples[1], settings.middles, settings.spread)
    assert (run.covered[1], run.fair[1], run.good[1]) == found
    assert run.samples.shape == (2, 200, 2) and run.step.tolist() == [0, 1] and run.status == Status.FINISHED
    assert not run.samples.flags.writeable and run.time.tolist() == [0.0, 1e-4]


def test_records_do_not_change_the_game():
    few, many = gan.train(small(records=2)), gan.train(small(records=60))
    assert few.step.tolist() == [0, 30, 60] and len(many.step) == 61
    for name in ("samples", "real", "signal"):
        np.testing.assert_array_equal(getattr(few, name), getattr(many, name)[[0, 30, 60]])


def test_a_game_learns_something():
    """One Gaussian, far from where the generator starts: in 600 steps it is near it."""
    settings = small(modes=1, spread=0.5, hidden=32, batch=64, lr=1e-3, steps=600, records=1)
    run = gan.train(settings)
    assert run.good[0] == 0.0 and run.good[-1] > 0.5


# ---- going on where a run was interrupted -------------------------------------------------------------------

# A process that kills itself: while the third checkpoint is not in its place yet, or right after.
KILLED = """
import json, os, signal, sys
from dynsim.empirical import gan, gan_state
settings, folder, moment = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
real, calls = os.replace, []
def replace(a, b):
    calls.append(b)
    if len(calls) == 3 and moment == "writing":
        os.kill(os.getpid(), signal.SIGKILL)
    real(a, b)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
gan_state.os.replace = replace
gan.train(gan.Settings(**settings), folder=folder, every=7)
"""
WHOLE = """
import json, sys
from dynsim.empirical import gan
gan.train(gan.Settings(**json.loads(sys.argv[1])), folder=sys.argv[2], every=7)
"""


def in_a_process(code, settings, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, json.dumps(asdict(settings)), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT).returncode


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run in a process of its own."""
    settings, folder = small(loss="cross_entropy"), tmp_path_factory.mktemp("whole")
    assert in_a_process(WHOLE, settings, folder) == 0
    return gan.train(settings, folder=folder)


@pytest.mark.parametrize("moment", ["writing", "written"])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, moment, uninterrupted):
    settings, whole = uninterrupted.settings, uninterrupted
    assert in_a_process(KILLED, settings, tmp_path, moment) == -signal.SIGKILL
    path = gan.checkpoint(settings, tmp_path)
    with np.load(path) as stored:
        facts = json.loads(str(stored["json"]))
    assert facts["step"] == (14 if moment == "writing" else 21) and facts["status"] == ""
    assert path.with_name(path.name + ".part").exists() == (moment == "writing")
    assert in_a_process(WHOLE, settings, tmp_path) == 0
    assert parts(gan.train(settings, folder=tmp_path)) == parts(whole)
    assert whole.step.tolist() == [0, 10, 20, 30, 40, 50, 60] and whole.status == Status.FINISHED
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def interrupted_at(step, monkeypatch):
    advance = gan._Game.advance

    def stops(game):
        if game.step == step:
            raise KeyboardInterrupt
        advance(game)

    monkeypatch.setattr(gan._Game, "advance", stops)


def test_an_interrupt_keeps_what_there_is_and_a_later_call_goes_on(tmp_path, monkeypatch):
    whole = gan.train(small())
    with monkeypatch.context() as patch:
        interrupted_at(33, patch)
        found = gan.train(small(), folder=tmp_path, every=5)
    assert found.status == Status.INTERRUPTED and found.message == "interrupted at step 33 of 60"
    assert found.step.tolist() == [0, 10, 20, 30]
    np.testing.assert_array_equal(found.samples, whole.samples[:4])
    with monkeypatch.context() as patch:
        # Nothing before the checkpoint is done again.
        interrupted_at(29, patch)
        assert parts(gan.train(small(), folder=tmp_path)) == parts(whole)


def test_a_finished_run_is_kept_until_it_is_forgotten(tmp_path, monkeypatch):
    whole = gan.train(small(), folder=tmp_path)
    with monkeypatch.context() as patch:
        interrupted_at(0, patch)
        assert parts(gan.train(small(), folder=tmp_path)) == parts(whole)
        gan.forget(small(), tmp_path)
        assert gan.train(small(), folder=tmp_path).status == Status.INTERRUPTED
    gan.forget(small(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_diverges_keeps_what_was_finite(tmp_path):
    settings = small(lr=1e12, records=60)
    found = gan.train(settings, folder=tmp_path)
    assert found.status == Status.DIVERGED and 1 <= len(found.step) < 61
    assert np.isfinite(found.samples).all() and found.message.startswith("diverged at step ")
    assert parts(gan.train(settings, folder=tmp_path)) == parts(found)


@pytest.mark.parametrize("damage", ["half", "nothing", "text", "bytes"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    gan.train(small(), folder=tmp_path)
    path = gan.checkpoint(small(), tmp_path)
    held = path.read_bytes()
    middle = len(held) // 2
    path.write_bytes(
        {
            "half": held[:middle],
            "nothing": b"",
            "text": b"no archive",
            "bytes": held[:middle] + bytes(64) + held[middle + 64 :],
        }[damage]
    )
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=r"the checkpoint .*npz cannot be read \(.*\); delete it to start afresh"):
        gan.train(small(), folder=tmp_path)
    assert path.read_bytes() == kept


def test_a_checkpoint_of_other_settings_is_named(tmp_path):
    gan.train(small(), folder=tmp_path)
    other = small(lr=2e-4, batch=9)
    assert gan.checkpoint(other, tmp_path) != gan.checkpoint(small(), tmp_path)
    gan.checkpoint(small(), tmp_path).rename(gan.checkpoint(other, tmp_path))
    with pytest.raises(ValueError, match=r"is of other settings \(batch, lr\); delete it to start afresh"):
        gan.train(other, folder=tmp_path)


def test_a_checkpoint_of_another_version_is_named(tmp_path, monkeypatch):
    gan.train(small(), folder=tmp_path)
    monkeypatch.setattr(gan_state, "_VERSION", 99)
    with pytest.raises(ValueError, match=r"is of another version \(1\); delete it"):
        gan.train(small(), folder=tmp_path)


def test_games_side_by_side_are_the_same_for_any_number_of_workers(tmp_path, monkeypatch):
    several = [small(loss=loss) for loss in gan.LOSSES]
    one = gan_processes.together(several, workers=1, folder=tmp_path)
    two = gan_processes.together(several, workers=2)
    assert [run.settings for run in two] == several
    assert [parts(run) for run in one] == [parts(run) for run in two]
    assert parts(one[0]) != parts(one[1])
    # Those that have ended in a folder are not played again.
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert [parts(run) for run in gan_processes.together(several, folder=tmp_path)] == [parts(run) for run in one]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written and len(written) == 2
    monkeypatch.setattr(gan_processes, "_WORK", "raise SystemExit('no game')")
    with pytest.raises(RuntimeError, match=r"a game ended with exit code 1:\nno game"):
        gan_processes.together(several[:1])


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "squared"}, r"loss must be one of 'cross_entropy', 'hinge', got 'squared'"),
        ({"objective": "x"}, r"objective must be one of 'linear', 'saturating', 'non_saturating', got 'x'"),
        ({"dtype": "float16"}, r"dtype must be one of 'float32', 'float64', got 'float16'"),
        ({"start": "zero"}, r"start must be one of 'uniform', 'he', got 'zero'"),
        ({"steps": 0}, r"steps must be an integer of at least 1, got 0"),
        ({"turns": 0}, r"turns must be an integer of at least 1, got 0"),
        ({"batch": 1.5}, r"batch must be an integer of at least 1, got 1.5"),
        ({"layers": True}, r"layers must be an integer of at least 1, got True"),
        ({"lr": -0.1}, r"lr must be positive and finite, got -0.1"),
        ({"spread": 0.0}, r"spread must be positive and finite, got 0"),
        ({"betas": (0.5, 1.0)}, r"betas must be two numbers of at least 0 and below 1, got \(0.5, 1.0\)"),
        ({"betas": 0.5}, r"betas must be two numbers"),
        ({"rng": -1}, r"rng must be an integer of at least 0, or several, got -1"),
        ({"rng": None}, r"rng must be an integer of at least 0, or several, got None"),
        ({"rng": (1, "a")}, r"rng must be an integer of at least 0, or several, got \(1, 'a'\)"),
    ],
)
def test_wrong_settings_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        small(**change)


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"every must be an integer of at least 1, got 0"):
        gan.train(small(), every=0)
    with pytest.raises(ValueError, match=r"settings must be a Settings, got dict"):
        gan.train({})
    with pytest.raises(ValueError, match=r"several must be different settings, got some twice"):
        gan_processes.together([small(), small()])
    with pytest.raises(ValueError, match=r"workers must be an integer of at least 1, got 0"):
        gan_processes.together([small()], workers=0)
    for middles in (np.zeros((0, 2)), np.zeros((3, 1))):
        with pytest.raises(ValueError, match=r"samples and middles must hold points with equally many coordinates"):
            gan_scores.scores(np.zeros((4, 2)), middles, 0.1)


def test_the_usual_objectives():
    assert small(loss="hinge").objective == "linear"
    assert small(loss="cross_entropy").objective == "non_saturating"
    assert small(loss="hinge", objective="saturating").objective == "saturating"
    assert small(rng=[1, 2]).rng == (1, 2) and small(steps=np.int64(3)).steps == 3


# A process that plays two games and is killed from outside.
PARENT = """
import json, sys
from dynsim.empirical import gan, gan_processes
base = json.loads(sys.argv[1])
games = [gan.Settings(**{**base, "rng": seed}) for seed in (0, 1)]
gan_processes.together(games, folder=sys.argv[2], workers=2, every=50)
"""


def test_games_end_with_the_process_that_started_them_and_are_taken_up(tmp_path):
    """Killed, it cannot end them itself; they notice, and the next call finds nobody at their files."""
    settings = [small(steps=3_000, rng=seed) for seed in (0, 1)]
    command = [sys.executable, "-c", PARENT, json.dumps(asdict(settings[0])), str(tmp_path)]
    files = [gan.checkpoint(one, tmp_path) for one in settings]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as parent:
        while not any(path.exists() for path in files):
            assert parent.poll() is None
            time.sleep(0.01)
        parent.kill()
    # A game that went on would write again within a fraction of this.
    time.sleep(2.0)
    for path in files:
        if path.exists():
            with np.load(path) as stored:
                assert json.loads(str(stored["json"]))["step"] < 3_000
    found = gan_processes.together(settings, folder=tmp_path, workers=2)
    assert [parts(run) for run in found] == [parts(gan.train(one)) for one in settings]
