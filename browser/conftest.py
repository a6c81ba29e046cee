"""What is looked at: a report and the site, given or made now; and where screenshots go."""

import subprocess
import sys
from pathlib import Path

import pytest
from chromium import Chromium

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption("--report", type=Path, help="a report.html; by default a quick one is made, in a minute")
    parser.addoption("--site", type=Path, default=ROOT / "site" / "html", help="the folder of the site (site/html)")
    parser.addoption("--screenshots", type=Path, default=ROOT / "out" / "screenshots", help="(out/screenshots)")


@pytest.fixture(scope="session")
def browser():
    with Chromium() as window:
        yield window


@pytest.fixture(scope="session")
def report(request, tmp_path_factory):
    given = request.config.getoption("--report")
    if given is None:
        given = tmp_path_factory.mktemp("report") / "report.html"
        command = [sys.executable, "-m", "dynsim", "reproduce", "--quick", "--out", str(given.parent)]
        subprocess.run(command, check=True, cwd=ROOT)
    assert given.is_file(), f"--report must be a report.html, there is none at {given}"
    return given


@pytest.fixture(scope="session")
def site(request):
    folder = request.config.getoption("--site")
    assert (folder / "index.html").is_file(), f"--site: no index.html in {folder}; ./scripts/docs makes the site"
    return folder


@pytest.fixture(scope="session")
def screenshots(request):
    folder = request.config.getoption("--screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
