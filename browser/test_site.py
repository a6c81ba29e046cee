"""The built site in a browser: nothing is missing, nothing is fetched, and every page fits a telephone."""

import pytest
from chromium import NARROW, WIDE
from matplotlib import image

#: Of these there are screenshots.
SHOWN = ("index.html", "tutorial.html", "gallery/index.html", "gallery/figure_2.html", "claims.html")


@pytest.fixture(scope="module")
def pages(site):
    several = (path.relative_to(site) for path in site.rglob("*.html"))
    found = sorted(path.as_posix() for path in several if path.parts[0] != "_static")
    assert set(SHOWN) <= set(found)
    return found


@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page(browser, site, pages, width):
    wrong = []
    for name in pages:
        browser.open(site / name, width)
        errors, fetched = browser.said()
        wrong += [f"{name}: {what}" for what in (*errors, *(f"fetched {url}" for url in fetched))]
        wrong += [f"{name}: image {what}" for what in browser.broken_images()]
        if browser.overflow() > 0:
            wrong.append(f"{name}: {browser.overflow()} px too wide: {'; '.join(browser.outside())}")
    assert not wrong, "\n".join(wrong)


def test_search_finds(browser, site):
    browser.open(site / "search.html", place="?q=hinge")
    browser.driver.implicitly_wait(20)
    found = browser.driver.find_elements("css selector", "#search-results li a")
    browser.driver.implicitly_wait(0)
    assert found
    assert browser.said() == ([], [])


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(browser, site, screenshots, name, width, scheme):
    browser.prefer(scheme)
    browser.open(site / name, width)
    stem = name.removesuffix(".html").replace("/", "-")
    paths = browser.save(screenshots / f"site-{stem}-{width}-{scheme}")
    browser.prefer("light")
    assert {image.imread(path).shape[1] for path in paths} == {width}
