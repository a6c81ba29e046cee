"""Claims whose laws are made wrong, by 2 % mostly: their rows stop agreeing. More of this is in test_paper.py."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from dynsim import losses
from dynsim.empirical import networks
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.paper import appendix_a4, appendix_c2, lemma_3_1, sgd_law
from dynsim.paper.claim import Standing
from dynsim.theory import modes, prediction


def disagreeing(module):
    """What each row that does not agree is about."""
    return [line.what for line in module.reproduce(True).lines if line.standing == Standing.DISAGREES]


def test_classes_that_are_coupled_show(monkeypatch):
    right = networks.backward

    def leaking(weights, cache, pulls):
        dW, dZ = right(weights, cache, pulls)
        return dW + 0.02 * np.roll(dW, 1, axis=0), dZ + 0.02 * np.roll(dZ, 1, axis=0)

    monkeypatch.setattr(networks, "backward", leaking)
    found = disagreeing(lemma_3_1)
    assert sum("largest change of the other class's units" in what for what in found) == 3


def test_a_pull_below_0_shows_in_gates(monkeypatch):
    """The proof of Lemma 3.1 needs g >= 0: with the opposite sign units turn away from their class."""
    right = losses.get("cross_entropy")
    monkeypatch.setattr(lemma_3_1, "get", lambda name: replace(right, pull=lambda m: -right.pull(m)))
    assert "lr 5: gates and signs that changed" in disagreeing(lemma_3_1)


def test_a_4_with_its_1_is_not_explained(monkeypatch):
    assert appendix_a4.reproduce(True).standing == Standing.EXPLAINED

    def mended(made, time):
        return float(made.theory.at([time]).margin[0, 0])

    monkeypatch.setattr(appendix_a4, "printed", mended)
    assert appendix_a4.reproduce(True).standing == Standing.AGREES


def test_a_4_is_not_explained_by_a_wrong_mode(monkeypatch):
    monkeypatch.setattr(modes, "logit", faster(modes.logit))
    assert any("A.4 as printed" in what for what in disagreeing(appendix_a4))


def faster(law):
    return lambda *args, **kwargs: law(*args, **{**kwargs, "rate": 1.02 * np.asarray(kwargs["rate"])})


def test_a_wrong_c_2_shows(monkeypatch):
    monkeypatch.setattr(modes, "logit", faster(modes.logit))
    found = disagreeing(appendix_c2)
    assert len(found) == 2 and all("closed form, class" in what for what in found)


def test_weights_across_the_mean_that_move_show(monkeypatch):
    def turned(network, *args, **options):
        last = train(network, *args, **options).network
        W = last.W + 1e-12 * np.roll(last.W, 1, axis=1)
        return SimpleNamespace(network=Network((W, last.Z)))

    monkeypatch.setattr(appendix_c2, "train", turned)
    found = disagreeing(appendix_c2)
    assert len(found) == 2 and all("w_perp" in what for what in found)


def test_sgd_with_a_wrong_rate_strays(monkeypatch):
    def wrong(network, data, **options):
        return prediction.predict(network, replace(data, weights=1.02 * data.weights), **options)

    monkeypatch.setattr(sgd_law, "predict", wrong)
    assert "margins that are none of the law's values" in disagreeing(sgd_law)
