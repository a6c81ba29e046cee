"""report.html: one page that needs nothing else, and says what results.json says."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from test_paper import _off_by_two_percent
from test_paper_run import LINE, TABLE, catalogued, document, fails, reproduce, result

from dynsim import cli
from dynsim.paper import page, run
from dynsim.paper.claim import explained
from dynsim.paper.errata import ERRATA
from dynsim.theory import modes

ROOT = Path(__file__).parent.parent
#: Elements that have no end.
VOID = {"meta", "link", "img", "br", "hr"}


class Reader(HTMLParser):
    """Collects tags, checks that they close in order, and keeps the text of each table row."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.rows, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "tr":
            self.rows.append((given, []))
        if tag in ("td", "th"):
            self.rows[-1][1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][1][-1] += data


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


WHY = explained("the <bound>", 0.613, 0.641, 0.6409, 0.001, "the start is not covered")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The page of a run with a claim of each kind, and its folder."""
    catalogued(
        monkeypatch,
        one=lambda quick: result("one", tables=(TABLE,), notes=("as <measured>",)),
        two=lambda quick: result("two", [LINE, WHY]),
        three=fails,
    )
    made = run.CLAIMS
    monkeypatch.setitem(made, "two", made["two"]._replace(beyond=True, setting="|x| < 1 & p = .5"))
    assert reproduce(tmp_path, "--quick") == cli.NOT_ALL
    return read((tmp_path / "report.html").read_text()), tmp_path


def test_a_row_a_claim_with_its_verdict(written):
    reader, _ = written
    rows = {given["id"]: cells for given, cells in reader.rows if given.get("class") == "claim"}
    assert list(rows) == ["row-one", "row-two", "row-three"]
    assert [cells[-1].split()[-1] for cells in rows.values()] == ["AGREES", "EXPLAINED", "FAILED"]
    assert rows["row-two"][3:7] == ["0.613mended: 0.641", "0.6409", "0.028", "0.001"]
    assert rows["row-one"][3] == "1"
    assert len({len(cells) for cells in rows.values()}) == 1


def test_it_needs_nothing_but_itself(written):
    reader, folder = written
    images = [given["src"] for tag, given in reader.tags if tag == "img"]
    # What failed has no figure.
    assert len(images) == 2
    for name, source in zip(("one", "two"), images, strict=True):
        kind, content = re.fullmatch(r"data:image/svg\+xml;base64,(.*)|data:image/(png).*", source).groups()[::-1]
        assert kind is None and base64.b64decode(content) == (folder / f"{name}.svg").read_bytes()
    assert all(given["alt"] for tag, given in reader.tags if tag == "img")
    assert not any(tag in ("script", "iframe", "object") for tag, _ in reader.tags)
    links = [given["href"] for tag, given in reader.tags if tag == "link"]
    assert links == ["data:,"]
    assert "url(" not in page.page_style.CSS and "@import" not in page.page_style.CSS


def test_its_links_lead_somewhere(written):
    reader, _ = written
    assert len(set(reader.ids)) == len(reader.ids)
    inside = [given["href"][1:] for tag, given in reader.tags if tag == "a" and given["href"].startswith("#")]
    assert inside == ["one", "two", "three"] and set(inside) <= set(reader.ids)


def test_what_is_between_angles_is_text(written):
    _, folder = written
    text = (folder / "report.html").read_text()
    assert "the &lt;bound&gt;" in text and "as &lt;measured&gt;" in text and "|x| &lt; 1 &amp; p = .5" in text
    assert "the paper 0.613, mended 0.641, measured 0.6409; the start is not covered" in text
    assert "<h2>Beyond the paper</h2>" in text and "ValueError: images must have 64 pixels" in text
    assert "from dynsim.paper import two\nfound = two.reproduce()\nprint(found)" in text
    assert "./scripts/reproduce --quick</code>" in text and "toy size" in text


def test_a_large_figure_is_a_png(written, monkeypatch):
    _, folder = written
    monkeypatch.setattr(page, "_SMALL", 100)
    reader = read(page.html(document(folder), folder))
    images = [given["src"] for tag, given in reader.tags if tag == "img"]
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in images)


def test_errata_are_those_of_the_theory():
    text = (ROOT / "docs" / "theory.md").read_text()
    section = text[text.index("## 20.") :].splitlines()
    rows = [line.strip("|").split("|") for line in section if line.startswith("|")]
    assert [tuple(cell.strip() for cell in row) for row in rows[2:]] == list(ERRATA)
    reader = read(page._errata())
    assert len(reader.rows) == 1 + len(ERRATA)


def test_a_wrong_theory_is_visible(tmp_path, capsys, monkeypatch):
    """The rate of the closed form 2 % too large: the claims that use it disagree, in the table and on the page."""
    monkeypatch.setattr(modes, "logit", _off_by_two_percent(modes.logit, "rate"))
    asked = {"lemma_3_1": "AGREES", "theorem_3_2": "DISAGREES", "figure_4": "DISAGREES", "theorem_5_1": "DISAGREES"}
    assert reproduce(tmp_path, "--quick", "--only", *asked) == cli.NOT_ALL
    printed = capsys.readouterr().out.splitlines()
    assert {row.split()[0]: row.split()[6] for row in printed[1:5]} == asked
    rows = read((tmp_path / "report.html").read_text()).rows
    told = {given["id"][4:]: cells[-1].split()[-1] for given, cells in rows if given.get("class") == "claim"}
    assert told == asked
