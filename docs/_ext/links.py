"""Walk the built site: every link within it must lead somewhere, and nothing may be loaded from elsewhere.

Usage: python docs/_ext/links.py FOLDER
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

#: Attributes that make the browser load something at once; an `a` only leads away.
_LOADED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
#: A `link` that says how pages hang together loads nothing.
_RELATIONS = {"author", "canonical", "copyright", "help", "index", "license", "next", "prev", "search", "top", "up"}


class Reference(NamedTuple):
    """Something a page refers to; whether it is loaded with the page."""

    target: str
    loaded: bool


class Page(HTMLParser):
    """What a page refers to, which places in it can be referred to, and its pictures without words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[Reference] = []
        self.places: set[str] = set()
        self.silent: list[str] = []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element refers to."""
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        self._style = tag == "style"
        if tag == "img" and "alt" not in given:
            self.silent.append(given.get("src", ""))
        leads = tag in ("a", "area") or (tag == "link" and set(given.get("rel", "").split()) & _RELATIONS)
        if leads and "href" in given:
            self.references.append(Reference(given["href"], False))
        else:
            for name in _LOADED.get(tag, ()):
                if name in given:
                    several = given[name].split(",") if name == "srcset" else [given[name]]
                    self.references += [Reference(one.split()[0], True) for one in several if one.split()]
        self._in_css(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        """Styles may load pictures and letters."""
        if self._style:
            self._in_css(data)

    def _in_css(self, text: str) -> None:
        self.references += [Reference(target, True) for target in loaded_by_css(text)]


def loaded_by_css(text: str) -> list[str]:
    """What a style sheet loads: url(...) and @import."""
    out = []
    for piece in text.split("url(")[1:]:
        out.append(piece.partition(")")[0].strip().strip("\"'"))
    for piece in text.split("@import")[1:]:
        word = piece.split(";")[0].strip()
        if not word.startswith("url("):
            out.append(word.split()[0].strip("\"'") if word else "")
    return out


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with the site in a folder, in words."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        yield f"{folder}: no page"
    for path, page in pages.items():
        name = path.relative_to(folder.resolve()).as_posix()
        for picture in page.silent:
            yield f"{name}: picture without alt: {picture}"
        for reference in dict.fromkeys(page.references):
            if (what := _fault(path, reference, pages, folder.resolve())) is not None:
                yield f"{name}: {what}: {reference.target}"
    for path in sorted(folder.rglob("*.css")):
        for target in dict.fromkeys(loaded_by_css(path.read_text(encoding="utf-8"))):
            if (what := _fault(path.resolve(), Reference(target, True), pages, folder.resolve())) is not None:
                yield f"{path.relative_to(folder).as_posix()}: {what}: {target}"


def _fault(path: Path, reference: Reference, pages: dict[Path, Page], folder: Path) -> str | None:
    parts = urlsplit(reference.target)
    if parts.scheme == "data":
        return None
    if parts.scheme or parts.netloc:
        return "loaded from elsewhere" if reference.loaded else None
    if parts.path.startswith("/"):
        return "not relative"
    to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not to.is_relative_to(folder):
        return "leaves the site"
    if to.is_dir():
        return "a folder, which shows nothing without a server"
    if not to.exists():
        return "leads nowhere"
    place = unquote(parts.fragment)
    if place and to in pages and place not in pages[to].places:
        return "no such place on that page"
    return None


def main(folder: Path) -> int:
    """Print what is wrong; 1 if anything is."""
    found = list(faults(folder))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
