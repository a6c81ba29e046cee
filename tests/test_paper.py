"""The claims: each agrees as it stands, and stops agreeing when the formula it uses is wrong."""

import json

import numpy as np
import pytest

from dynsim.comparison import Verdict
from dynsim.paper import catalogue, corollary_3_3, setting
from dynsim.theory import maps, modes


@pytest.mark.parametrize("name", list(catalogue.CLAIMS))
def test_claim_agrees(name):
    found = catalogue.CLAIMS[name].reproduce(True)
    assert found.verdict == Verdict.AGREES
    assert found.name == name and found.source.endswith(("(v2)", "section 3")) and found.figure is not None
    assert len(found.lines) >= 2
    for line in found.lines:
        assert np.isfinite([line.predicted, line.measured, line.discrepancy, line.floor]).all()
        assert line.discrepancy <= line.floor
    json.dumps(found.to_dict())


def _off_by_two_percent(function, argument):
    def wrong(*args, **kwargs):
        return function(*args, **{**kwargs, argument: 1.02 * np.asarray(kwargs[argument])})

    return wrong


@pytest.mark.parametrize("name", ["theorem_3_2", "theorem_5_1", "appendix_a4"])
def test_a_wrong_closed_form_shows(name, monkeypatch):
    monkeypatch.setattr(modes, "logit", _off_by_two_percent(modes.logit, "rate"))
    assert catalogue.CLAIMS[name].reproduce(True).verdict == Verdict.DISAGREES


def test_a_wrong_exact_map_shows(monkeypatch):
    right = maps.advance
    monkeypatch.setattr(maps, "advance", lambda state, e: right(state, 1.02 * e))
    assert catalogue.CLAIMS["theorem_3_2"].reproduce(True).verdict == Verdict.DISAGREES


def test_a_wrong_ratio_shows(monkeypatch):
    right = corollary_3_3.exact_ratio
    monkeypatch.setattr(corollary_3_3, "exact_ratio", lambda *args: 1.02 * right(*args))
    # The floor is derived from the map and does not use the ratio's formula: a wrong one cannot widen it.
    assert catalogue.CLAIMS["corollary_3_3"].reproduce(True).verdict == Verdict.DISAGREES


def test_exact_ratio_is_that_of_the_two_times():
    made = setting.experiment(hidden=2, lr=0.1, until=1.0, initial=(1e-4, 3e-2))
    times = made.theory.time_to(corollary_3_3.LEVEL)
    # Two closed forms of one number, each a few roundings of terms of about its own size.
    assert corollary_3_3.exact_ratio(made, (1e-4, 3e-2)) == pytest.approx(times[1] / times[0], rel=1e-12)
    equal = setting.experiment(hidden=2, lr=0.1, until=1.0)
    assert corollary_3_3.exact_ratio(equal, (1e-3, 1e-3)) == pytest.approx(0.7 * 1.0 / (0.3 * 2.0), rel=1e-15)
