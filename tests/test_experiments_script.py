"""scripts/experiments.py puts the tables of results.json into docs/brightness.md and docs/gan.md."""

import importlib.util
import json
from pathlib import Path

import pytest

from dynsim.paper import catalogue, run

ROOT = Path(__file__).parent.parent


def _script():
    spec = importlib.util.spec_from_file_location("experiments", ROOT / "scripts" / "experiments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
PAGE = "before\n<!-- made, table 1 -->\nold\n<!-- end -->\nbetween\n<!-- made, lines -->\n<!-- end -->\nafter\n"
LINE = {"what": "P", "predicted": 0.5, "measured": 0.25, "discrepancy": 0.25, "floor": 0.3, "verdict": "AGREES"}
CLAIM = {"tables": [{"title": "modes", "header": ["loss", "covered"], "rows": [["hinge", "8"]]}], "lines": [LINE]}


def test_places_are_filled():
    found = SCRIPT.filled(PAGE, {"made": CLAIM})
    assert "*modes*\n\n| loss | covered |\n| --- | --- |\n| hinge | 8 |\n" in found and "old" not in found
    assert "| P | 0.5 | 0.25 | 0.25 | 0.3 | AGREES |" in found
    assert SCRIPT.filled(found, {"made": CLAIM}) == found
    assert SCRIPT.filled(PAGE, {"other": CLAIM}) == PAGE


def test_quick_results_do_not_go_into_the_pages(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"quick": True, "full": False, "claims": []}))
    with pytest.raises(ValueError, match=r"must come from a run without --quick$"):
        SCRIPT.read(path)


@pytest.mark.parametrize(("name", "places"), [("brightness", 2), ("gan", 6)])
def test_every_place_of_a_page_is_filled_as_the_claim_has_it(name, places):
    """The same tables as the claim makes today, and what it predicts as the page says."""
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    found = list(SCRIPT.PLACE.finditer(text))
    assert len(found) == places and {place["claim"].removesuffix(" in full") for place in found} == {name}
    made = catalogue.CLAIMS[name].reproduce(True).to_dict()
    for place in found:
        rows = [line for line in place["shown"].splitlines() if line.startswith("|")]
        header = SCRIPT.LINE if place["number"] is None else made["tables"][int(place["number"]) - 1]["header"]
        assert rows[0] == "| " + " | ".join(header) + " |" and len(rows) > 3


def test_what_the_page_on_gans_says_is_predicted_is():
    """Predictions do not depend on how long networks were trained, but for the step, which moves some times."""
    text = (ROOT / "docs" / "gan.md").read_text(encoding="utf-8")
    (place,) = (one for one in SCRIPT.PLACE.finditer(text) if one["number"] is None)
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in place["shown"].splitlines()[3:-1]]
    assert len(rows) == 13 and {row[-1] for row in rows} == {"AGREES"}
    made = {line.what: line.predicted for line in catalogue.CLAIMS["gan"].reproduce(True).lines}
    for what, predicted, *_ in rows:
        if what in made:
            assert predicted == f"{made[what]:.6g}"
    assert sum(row[0] in made for row in rows) >= 6


@pytest.mark.parametrize(("full", "name"), [(False, "lemma_3_1"), (True, "lemma_3_1 in full")])
def test_a_results_file_of_a_run_is_read(tmp_path, full, name):
    entry = catalogue.CLAIMS["lemma_3_1"]._replace(reproduce=lambda quick: catalogue.lemma_3_1.reproduce(True))
    list(run.run(run.Store.begin(tmp_path, [entry], run.Effort(full=full))))
    assert list(SCRIPT.read(tmp_path / "results.json")) == [name]
