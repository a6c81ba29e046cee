"""The command line as a user calls it: exit status, what is printed, what is written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dynsim import cli
from dynsim.paper import catalogue

IRIS = Path(__file__).parent.parent / "examples" / "iris.csv"
VIRGINICA = ["compare", str(IRIS), "--label", "species", "--classes", "setosa", "virginica"]
VERSICOLOR = ["compare", str(IRIS), "--label", "species", "--classes", "setosa", "versicolor"]


def test_iris_virginica_agrees(tmp_path, capsys):
    assert cli.main([*VIRGINICA, "--hidden", "64", "--out", str(tmp_path)]) == cli.AGREES
    printed = capsys.readouterr().out
    assert "H1 holds for all 4,950 pairs" in printed
    assert printed.count("verdict   AGREES") == 2
    found = json.loads((tmp_path / "iris.json").read_text())
    flow, exact = found["comparisons"]
    assert (flow["law"], exact["law"]) == ("order_parameters", "gradient_descent")
    assert found["options"]["steps"] == 5000 and exact["time"] == [0.0, 50.0]
    # The exact map is separated from the network by round-off alone, the flow by the step size within its floor.
    assert exact["rows"][0]["sup"] <= 1e-9
    assert 1e-4 < flow["rows"][0]["sup"] <= flow["rows"][0]["floor"]
    for law in ("order_parameters", "gradient_descent"):
        assert (tmp_path / f"iris-{law}.png").stat().st_size > 10_000


def test_iris_versicolor_is_refused_with_the_pairs_named(tmp_path, capsys):
    assert cli.main([*VERSICOLOR, "--steps", "200", "--out", str(tmp_path)]) == cli.NOT_ALL
    printed = capsys.readouterr().out
    assert "H1 fails for 11 of 4,950 pairs" in printed and "(41, 98)" in printed
    assert "refused" in printed and "class_means" in printed and "verdict   INCONCLUSIVE" in printed
    found = json.loads((tmp_path / "iris.json").read_text())
    assert found["comparisons"] == [] and found["assumptions"]["H1"]["violations"] == 11


def test_class_means_runs_on_request_and_is_reported_for_what_it_is(tmp_path, capsys):
    assert cli.main([*VERSICOLOR, "--law", "class_means", "--out", str(tmp_path)]) == cli.NOT_ALL
    printed = capsys.readouterr().out
    assert "each class replaced by its mean point" in printed and "verdict   DISAGREES" in printed
    row = json.loads((tmp_path / "iris.json").read_text())["comparisons"][0]["rows"][0]
    assert row["sup"] > 10 * row["floor"]


def test_gaussian_start_names_the_units(tmp_path, capsys):
    assert cli.main([*VIRGINICA, "--init", "gaussian", "--steps", "50", "--out", str(tmp_path)]) == cli.NOT_ALL
    printed = capsys.readouterr().out
    assert "H2 fails for" in printed and "H3 fails for" in printed and "theory not applicable" in printed
    assert "AGREES" not in printed.replace("DISAGREES", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*VIRGINICA, "--lr", "-1"], "lr must be positive and finite, got -1"),
        ([*VIRGINICA, "--steps", "-5"], "steps must be an integer of at least 0, got -5"),
        ([*VIRGINICA, "--loss", "l2"], "'cross_entropy', 'hinge', 'exponential', 'squared', got 'l2'"),
        ([*VIRGINICA, "--law", "magic"], "law must be one of"),
        ([*VIRGINICA, "--law", "sgd"], "--batch-size must be 1 for --law sgd, got None"),
        ([*VIRGINICA, "--law", "sgd", "--batch-size", "5"], "--batch-size must be 1 for --law sgd, got 5"),
        ([*VIRGINICA, "--batch-size", "101"], "batch_size must be at most 100 (the number of points), got 101"),
        ([*VIRGINICA, "--lr", "x"], "argument --lr: invalid float value: 'x' (see dynsim compare --help)"),
        (["compare", str(IRIS)], "the following arguments are required: --label"),
        (["learn"], "'learn'"),
        ([*VIRGINICA, "--rng", "-1"], "rng must be an integer of at least 0, got -1"),
        ([*VIRGINICA, "--init", "gaussian", "--imbalance", "3"], "--imbalance has no meaning for --init gaussian"),
        ([*VIRGINICA, "--hidden", "1"], "hidden must be an integer of at least 2, got 1"),
        (["compare", str(IRIS), "--label", "kind"], "'species', got 'kind'"),
        (["compare", str(IRIS), "--label", "species"], "classes"),
        (["compare", "no-such-file.csv", "--label", "species"], "no-such-file.csv"),
        (["reproduce", "--only", "theorem_9"], "--only must name claims among"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, message, tmp_path, capsys):
    assert cli.main([*arguments, "--out", str(tmp_path / "out")]) == cli.BAD_INPUT
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.err.startswith("dynsim: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,a,kind\n1,2,x\n3,4,y\n", "'a'"),
        ("a,b,kind\n1,2,x\n3,oops,y\n", "oops"),
        ("a,b,kind\n1,2,x\n3,nan,y\n", "nan"),
        ("a,b,kind\n1,2,x\n3,4,x\n", "x"),
        ("a,b,kind\n1,2,x\n3,4,y\n5,6,z\n", "classes"),
        ("", "header"),
    ],
)
def test_bad_csv_is_one_line_and_status_2(text, message, tmp_path, capsys):
    path = tmp_path / "points.csv"
    path.write_text(text)
    assert cli.main(["compare", str(path), "--label", "kind", "--out", str(tmp_path / "out")]) == cli.BAD_INPUT
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1


def test_reproduce_writes_table_figures_json_and_page(tmp_path, capsys):
    assert cli.main(["reproduce", "--quick", "--out", str(tmp_path)]) == cli.AGREES
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "results.json").read_text())
    assert [claim["name"] for claim in found["claims"]] == list(catalogue.CLAIMS) == found["asked"]
    rows = {row.split()[0]: row for row in printed.splitlines()[1 : 1 + len(catalogue.CLAIMS)]}
    page = (tmp_path / "report.html").read_text()
    for name, claim in zip(catalogue.CLAIMS, found["claims"], strict=True):
        assert claim["standing"] in ("AGREES", "EXPLAINED") and f"  {claim['standing']}  " in rows[name]
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        assert (tmp_path / f"{name}.svg").stat().st_size > 10_000
        assert page.count(f'<tr class="claim" id="row-{name}">') == 1
    # Nothing else is left, and no work unfinished.
    kinds = {path.suffix for path in tmp_path.iterdir()}
    assert kinds == {".json", ".html", ".png", ".svg"}


def test_reproduce_only_and_list(tmp_path, capsys):
    assert cli.main(["reproduce", "--list"]) == cli.AGREES
    assert all(name in capsys.readouterr().out for name in ["theorem_3_2"])
    assert cli.main(["reproduce", "--quick", "--only", "lemma_3_1", "--out", str(tmp_path)]) == cli.AGREES
    assert [c["name"] for c in json.loads((tmp_path / "results.json").read_text())["claims"]] == ["lemma_3_1"]


def test_python_dash_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "dynsim", "compare", "no.csv", "--label", "x"], capture_output=True, text=True
    )
    assert done.returncode == cli.BAD_INPUT and "Traceback" not in done.stderr and "no.csv" in done.stderr


def test_the_second_order_flow_by_name(tmp_path, capsys):
    arguments = [*VIRGINICA, "--law", "modified_flow", "--steps", "2000", "--out", str(tmp_path)]
    assert cli.main(arguments) == cli.AGREES
    printed = capsys.readouterr().out
    assert "gradient descent to second order in lr" in printed and printed.count("verdict   AGREES") == 1
    assert (tmp_path / "iris-modified_flow.png").stat().st_size > 10_000
