"""report.html: a run of claims on one page that needs nothing but itself, from results.json and the figures."""

from __future__ import annotations

import base64
import html as escaping
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dynsim.paper import page_style, sheet
from dynsim.paper.claim import Standing
from dynsim.paper.errata import ERRATA

Claim = Mapping[str, Any]
#: Figures up to this size are drawn as svg, which is sharp at any size; larger ones as png.
_SMALL = 200_000
#: A mark a standing, for readers who do not see the colours.
_MARKS = {
    Standing.AGREES: "\u2713",
    Standing.EXPLAINED: "\u2248",
    Standing.INCONCLUSIVE: "?",
    Standing.DISAGREES: "\u2717",
    Standing.FAILED: "!",
}
_TITLE = "On the Learning Dynamics of Deep Neural Networks, reproduced"
_COLUMNS = ("claim", "source", "what it says", "predicted", "measured", "discrepancy", "floor", "verdict")
_READING = """
<p>Each row is a claim: a formula, and networks that were trained to see whether they follow it. <b>predicted</b> is
the formula's number, <b>measured</b> the network's, for the line of the claim that comes closest to its floor; the
others stand below the figure. The <b>floor</b> is how large the discrepancy may be although the formula is right:
what the step size, the sampling and round-off can do. The <b>verdict</b> is that of all lines of the claim:</p>
<ul>
<li>{AGREES} every discrepancy lies within its floor;</li>
<li>{EXPLAINED} so it is for the mended statement: the paper itself is inexact there, or the experiment can not be
the paper's, and it is said how;</li>
<li>{INCONCLUSIVE} the floor is too high to tell;</li>
<li>{DISAGREES} a discrepancy lies above its floor: formula or network is wrong;</li>
<li>{FAILED} there was an error.</li>
</ul>
<p>In the figures lines are theory and marks are networks; beneath each pair of curves stands their discrepancy, and
dotted its floor. Time is t = lr x step everywhere.</p>
"""


def html(document: Mapping[str, Any], folder: Path) -> str:
    """The page of a document, with the figures that lie in `folder` beside its results.json."""
    claims = document["claims"]
    parts = [
        _head(document),
        _table(claims),
        _missing(document),
        *_sections(claims, folder),
        _errata(),
        _again(document),
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Without one a browser asks for favicon.ico.
        '<link rel="icon" href="data:,">\n'
        f"<title>{_TITLE}</title>\n<style>{page_style.CSS}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


# ---- parts of the page -------------------------------------------------------------------------------------


def _head(document: Mapping[str, Any]) -> str:
    effort = "quick" if document["quick"] else "full" if document["full"] else ""
    words = {
        "quick": "This is a quick run: larger steps, fewer networks, and the games and pictures at toy size.",
        "full": "This is a full run: the long experiments have the paper's length.",
        "": "This is a run of the usual length; the long experiments are shorter than the paper's.",
    }
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    marks = {str(standing): _badge(standing) for standing in Standing}
    return (
        f"<header><h1>{_TITLE}</h1>\n<p>Every claim of Tachet des Combes et al., "
        '<a href="https://arxiv.org/abs/1809.06848v2">arXiv:1809.06848 v2</a>, and what follows from it, held '
        f"against trained networks by dynsim. {words[effort]}</p>\n"
        f'<p class="count"><b>{_text(sheet.count(document["claims"]))}.</b> Made with {_text(versions)}.</p>'
        "</header>\n"
        f"<details><summary>How to read this page</summary>{_READING.format(**marks)}</details>"
    )


def _table(claims: Sequence[Claim]) -> str:
    rows = "\n".join(_row(claim) for claim in claims)
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    table = f'<table id="claims"><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
    return f'<h2>Claims</h2>\n<div class="wide">{table}</div>'


def _row(claim: Claim) -> str:
    name, _, *values = sheet.cells(claim)
    numbers, decided = values[:4], values[-1]
    link = f'<a href="#{name}">{name}</a>'
    said = f'{_text(claim["statement"])}<span class="decided">{_text(decided)}</span>'
    if mended := _mended(claim):
        numbers[0] += f'<span class="decided">mended: {mended}</span>'
    cells = [
        *zip(_COLUMNS[:3], (link, _text(claim["source"]), said), ("", "", "said"), strict=True),
        *((column, number, "number") for column, number in zip(_COLUMNS[3:7], numbers, strict=True)),
        (_COLUMNS[7], _badge(claim["standing"]), ""),
    ]
    inner = "".join(f'<td data-label="{label}" class="{kind}">{cell}</td>' for label, cell, kind in cells)
    return f'<tr class="claim" id="row-{name}">{inner}</tr>'


def _mended(claim: Claim) -> str:
    """What the paper should say, where the line of the table is one on which it is inexact."""
    if not claim["lines"] or not claim["lines"][claim["decisive"]]["explanation"]:
        return ""
    return sheet.number(claim["lines"][claim["decisive"]]["mended"])


def _missing(document: Mapping[str, Any]) -> str:
    done = {claim["name"] for claim in document["claims"]}
    missing = [name for name in document["asked"] if name not in done]
    if not missing:
        return ""
    return (
        f'<p class="missing">The run was interrupted; not done yet: {", ".join(missing)}. '
        "<code>dynsim reproduce --resume</code> goes on.</p>"
    )


def _sections(claims: Sequence[Claim], folder: Path) -> Iterable[str]:
    for title, beyond in (("The paper", False), ("Beyond the paper", True)):
        some = [claim for claim in claims if claim["beyond"] == beyond]
        if some:
            yield f"<h2>{title}</h2>"
            yield from (_claim(claim, folder) for claim in some)


def _claim(claim: Claim, folder: Path) -> str:
    name = claim["name"]
    parts = [
        f'<section id="{name}"><h3>{name} {_badge(claim["standing"])}</h3>',
        f'<p class="source">{_text(claim["source"])}</p>\n<p>{_text(claim["statement"])}</p>',
    ]
    if "error" in claim:
        parts.append(f'<p class="off">{_text(claim["error"])}</p>')
    else:
        parts.append(_figure(claim, folder))
        parts += [f'<p class="off">{_text(one)}</p>' for one in sheet.reasons(claim)]
        parts.append(_lines(claim))
    parts += [_tables(claim), _python(claim), "</section>"]
    return "\n".join(parts)


def _figure(claim: Claim, folder: Path) -> str:
    name = claim["name"]
    kind, content = "svg+xml", (folder / f"{name}.svg").read_bytes()
    if len(content) > _SMALL:
        kind, content = "png", (folder / f"{name}.png").read_bytes()
    data = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    words = _text(f"{claim['source']}: {claim['statement']}")
    return (
        f'<figure><img alt="{words}" src="{data}">\n'
        f"<figcaption>{_text(claim['setting'])}</figcaption></figure>"
    )


def _lines(claim: Claim) -> str:
    rows = [[line["what"], *sheet.numbers(line), _badge(line["standing"])] for line in claim["lines"]]
    words = f"{len(rows)} line{'s' * (len(rows) != 1)}, and their parameters"
    given = "; ".join(f"{key} = {value}" for key, value in claim["parameters"].items())
    cells = [[_text(cell) for cell in row[:-1]] + row[-1:] for row in rows]
    return (
        f"<details><summary>{words}</summary>{_plain(sheet.LINES, cells)}"
        f'<p class="parameters">{_text(given)}</p></details>'
    )


def _tables(claim: Claim) -> str:
    parts = []
    for one in claim["tables"]:
        rows = [[_text(cell) for cell in row] for row in one["rows"]]
        parts.append(f'<p class="title">{_text(one["title"])}</p>{_plain(one["header"], rows)}')
    notes = "".join(f"<li>{_text(note)}</li>" for note in claim["notes"])
    if notes:
        parts.append(f"<ul>{notes}</ul>")
    return f"<details><summary>tables and notes</summary>{''.join(parts)}</details>" if parts else ""


def _python(claim: Claim) -> str:
    name = claim["name"]
    code = f"from dynsim.paper import {name}\nfound = {name}.reproduce()\nprint(found)"
    return f"<pre><code>{code}</code></pre>"


def _errata() -> str:
    rows = [[_code(cell) for cell in erratum] for erratum in ERRATA]
    table = _plain(("place (v2)", "what is wrong", "here"), rows)
    return f'<h2 id="errata">Errata of the paper</h2>\n<p>Sections are those of docs/theory.md.</p>\n{table}'


def _again(document: Mapping[str, Any]) -> str:
    effort = " --quick" * document["quick"] + " --full" * document["full"]
    return (
        "<h2>How to make this page again</h2>\n<p>From a clone of dynsim; the numbers are the same to the last bit "
        "for the versions above on the same kind of machine.</p>\n"
        f"<pre><code>./scripts/reproduce{effort}</code></pre>\n"
        f"<p>One row: <code>./scripts/reproduce{effort} --only NAME</code>, or the three lines of Python "
        "beneath its figure; quickly, <code>NAME.reproduce(quick=True)</code>.</p>"
    )


# ---- pieces ------------------------------------------------------------------------------------------------


def _plain(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls by itself where the page is narrow; its cells are html."""
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _badge(standing: str) -> str:
    kind = Standing(standing)
    return f'<span class="badge {kind.lower()}"><span aria-hidden="true">{_MARKS[kind]}</span> {kind}</span>'


def _text(text: str) -> str:
    return escaping.escape(str(text))


def _code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))
