"""A headless Chromium that opens pages as files, and what it can tell of them."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from matplotlib import image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

#: A page is looked at on a desk and on a telephone: widths of the window in CSS pixels, and its height.
WIDE, NARROW, HEIGHT = 1280, 400, 900
#: What a page may be made of.
OWN = {"file", "data", "blob", "about"}
#: Pictures higher than this are taken in pieces: a texture has 16384 rows at most, and few people a higher screen.
_PIECE = 4000
_ARGUMENTS = ("--headless=new", "--hide-scrollbars", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
              "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
#: How far something sticks out to the right of the page, where it does not scroll by itself: (pixels, what).
_OUTSIDE = """
const width = document.documentElement.clientWidth, found = [];
const clips = (e) => getComputedStyle(e).overflowX !== 'visible';
const scrolls = (e) => e && e !== document.body && (clips(e) || scrolls(e.parentElement));
for (const e of document.body.querySelectorAll('*')) {
  const over = e.getBoundingClientRect().right - width;
  if (over > 0.5 && e.getClientRects().length && !scrolls(e.parentElement))
    found.push(`${Math.round(over)} px: ${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 40)}`);
}
return found.slice(0, 5);
"""
_IMAGES = """
const broken = [...document.images].filter(i => !(i.complete && i.naturalWidth > 0));
return broken.map(i => `${i.alt} ${i.src.slice(0, 80)}`);
"""
#: Pictures that wait to be scrolled to are loaded, and letters are there.
_READY = """
const done = arguments[arguments.length - 1];
for (const i of document.images) i.loading = 'eager';
const pictures = [...document.images].map(i => i.decode().catch(() => 0));
Promise.all([document.fonts.ready, ...pictures]).then(() => done(true));
"""


def _program(name: str, variable: str) -> str:
    """Where a program is; that of a variable, if it is set."""
    found = os.environ.get(variable) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is needed: install your system's package, or name it in ${variable}")
    return found


class Chromium:
    """A window; a context manager. Every page is opened from its file, and no other program is fetched for it."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = _program("chromium", "CHROMIUM")
        for argument in _ARGUMENTS:
            options.add_argument(argument)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver", "CHROMEDRIVER")))
        self.driver.set_script_timeout(60)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *error: object) -> None:
        self.driver.quit()

    def open(self, page: Path, width: int = WIDE, place: str = "") -> None:
        """Show a page at a width, with all its pictures there."""
        self.said()
        self.resize(width)
        self.driver.get(page.resolve().as_uri() + place)
        self.driver.execute_async_script(_READY)

    def resize(self, width: int, height: int = HEIGHT) -> None:
        """The window's inside; a real window can not be as narrow as a telephone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._tell("Emulation.setDeviceMetricsOverride", **size)

    def said(self) -> tuple[list[str], list[str]]:
        """Errors on the console, and requests for anything that is no file of the page, since it was asked last."""
        errors = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        asked = [one["request"]["url"] for one in sent]
        return errors, [url[:200] for url in asked if urlsplit(url).scheme not in OWN]

    def broken_images(self) -> list[str]:
        """Pictures that show nothing."""
        return list(self.driver.execute_script(_IMAGES))

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth"))

    def outside(self) -> list[str]:
        """Some of what sticks out, in words."""
        return list(self.driver.execute_script(_OUTSIDE))

    def see_as(self, vision: str) -> None:
        """none, achromatopsia (greyscale), deuteranopia, protanopia or tritanopia, as Chromium simulates them."""
        self._tell("Emulation.setEmulatedVisionDeficiency", type=vision)

    def prefer(self, scheme: str) -> None:
        """light or dark."""
        self._tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, selector: str) -> np.ndarray:
        """The element that a selector finds first, (height, width, 3) from 0 to 1."""
        box = self.driver.execute_script(
            "const e = document.querySelector(arguments[0]); e.scrollIntoView();"
            "const b = e.getBoundingClientRect();"
            "return [b.left + scrollX, b.top + scrollY, b.width, b.height];",
            selector,
        )
        return self._shot(*box)

    def save(self, stem: Path) -> list[Path]:
        """The whole page as stem.png, or where it is long as stem-1.png, stem-2.png, ...; these files."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        for old in [*stem.parent.glob(f"{stem.name}.png"), *stem.parent.glob(f"{stem.name}-[0-9]*.png")]:
            old.unlink()
        size = self._tell("Page.getLayoutMetrics")["cssContentSize"]
        width, height = (float(size[side]) for side in ("width", "height"))
        tops = np.arange(0.0, height, _PIECE).tolist()
        names = [stem.name if len(tops) == 1 else f"{stem.name}-{number}" for number in range(1, len(tops) + 1)]
        paths = [stem.with_name(f"{name}.png") for name in names]
        for path, top in zip(paths, tops, strict=True):
            image.imsave(path, self._shot(0.0, top, width, min(_PIECE, height - top)))
        return paths

    def _shot(self, x: float, y: float, width: float, height: float) -> np.ndarray:
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        found = self._tell("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return np.asarray(image.imread(io.BytesIO(base64.b64decode(found["data"]))))[..., :3]

    def _tell(self, command: str, **parameters: object) -> dict:
        return dict(self.driver.execute_cdp_cmd(command, parameters))
