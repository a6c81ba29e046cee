"""report.html in a browser: nothing is missing, nothing is fetched, and it fits a telephone."""

import subprocess
import sys

import numpy as np
import pytest
from chromium import NARROW, WIDE
from matplotlib import image

NAMES = "return [...document.querySelectorAll(arguments[0])].map(e => e.id)"


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def shown(request, browser, report):
    browser.open(report, request.param)
    return browser


def listed():
    """The names that `dynsim reproduce --list` prints."""
    command = [sys.executable, "-m", "dynsim", "reproduce", "--list"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split()[0] for line in lines[1:]]


def test_nothing_is_wrong_and_nothing_is_fetched(shown):
    assert shown.said() == ([], [])
    assert shown.broken_images() == []


def test_every_claim_has_a_row_and_a_figure(browser, report):
    browser.open(report)
    names = listed()
    rows = browser.driver.execute_script(NAMES, "#claims > tbody > tr.claim")
    assert rows == [f"row-{name}" for name in names]
    for name in names:
        words = browser.driver.execute_script(
            "const e = document.getElementById(arguments[0]).querySelector('figure img'); return e && e.alt", name
        )
        assert words, name


def test_links_of_the_page_lead_somewhere(browser, report):
    browser.open(report)
    lost = browser.driver.execute_script(
        "return [...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
        ".filter(id => !document.getElementById(id))"
    )
    assert lost == []


def test_it_fits(shown):
    """As it opens, and with all its details open."""
    assert shown.overflow() <= 0, shown.outside()
    shown.driver.execute_script("for (const e of document.querySelectorAll('details')) e.open = true")
    assert shown.overflow() <= 0, shown.outside()


def test_screenshots(shown, screenshots):
    width = shown.driver.execute_script("return window.innerWidth")
    paths = shown.save(screenshots / f"report-{width}")
    assert {image.imread(path).shape[1] for path in paths} == {width}


VISIONS = ("achromatopsia", "deuteranopia", "protanopia", "tritanopia")


@pytest.mark.parametrize("vision", VISIONS)
def test_figures_as_others_see_them(browser, report, screenshots, vision):
    """For the eye; what can be told by a program is that the simulation is on, and that something is seen."""
    browser.open(report)
    names = browser.driver.execute_script(
        "return [...document.querySelectorAll('section')].filter(s => s.querySelector('figure img')).map(s => s.id)"
    )
    assert names
    folder = screenshots / "figures"
    folder.mkdir(exist_ok=True)
    coloured = 0
    for name in names:
        selector = f"#{name} figure img"
        browser.see_as("none")
        plain = browser.picture(selector)
        browser.see_as(vision)
        seen = browser.picture(selector)
        image.imsave(folder / f"{name}-{vision}.png", seen)
        assert np.std(seen) > 0.01, name
        coloured += np.max(np.abs(plain - seen)) > 0.1
        if vision == "achromatopsia":
            # Grey but for the rounding of the three channels.
            assert np.ptp(seen, axis=-1).max() <= 2 / 255, name
    browser.see_as("none")
    assert coloured > len(names) // 2
