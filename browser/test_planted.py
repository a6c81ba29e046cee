"""What the browser is asked can find something: pages with one fault each."""

from urllib.parse import quote

import pytest
from chromium import NARROW

PAGE = '<!DOCTYPE html><html><head><link rel="icon" href="data:,"><title>a page</title></head><body>{}</body>'
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle cx="4" cy="4" r="4"/></svg>'


@pytest.fixture
def opened(browser, tmp_path):
    def show(body):
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(body))
        browser.open(path, NARROW)
        return browser

    return show


def test_a_good_page_is_good(opened):
    image = f'<img alt="a dot" src="data:image/svg+xml,{quote(DOT)}">'
    browser = opened(f'<p>words</p>{image}<div style="overflow-x: auto"><pre>{"x" * 900}</pre></div>')
    assert browser.said() == ([], [])
    assert browser.broken_images() == [] and browser.overflow() == 0 and browser.outside() == []


def test_an_error_in_a_script_is_found(opened):
    errors, fetched = opened("<script>throw new Error('planted')</script>").said()
    assert len(errors) == 1 and "planted" in errors[0] and fetched == []


def test_what_is_fetched_is_found(opened):
    _, fetched = opened('<script src="http://127.0.0.1:9/planted.js"></script>').said()
    assert fetched == ["http://127.0.0.1:9/planted.js"]


def test_a_broken_image_is_found(opened):
    browser = opened('<img alt="gone" src="gone.png">')
    assert len(browser.broken_images()) == 1
    assert len(browser.said()[0]) == 1


def test_a_page_that_is_too_wide_is_found(opened):
    browser = opened('<div style="width: 500px">planted</div>')
    # The body has a margin of 8 pixels.
    assert browser.overflow() == 500 + 8 - NARROW and "planted" in browser.outside()[0]


def test_faults_of_a_page_are_not_those_of_the_next(opened):
    opened("<script>throw new Error('planted')</script>")
    assert opened("<p>words</p>").said() == ([], [])


def test_vision_is_simulated(opened):
    browser = opened('<div id="red" style="width: 9px; height: 9px; background: #f00"></div>')
    assert browser.picture("#red")[4, 4].tolist() == [1.0, 0.0, 0.0]
    browser.see_as("achromatopsia")
    seen = browser.picture("#red")[4, 4]
    browser.see_as("none")
    assert seen.max() < 1.0 and seen.max() - seen.min() <= 2 / 255
