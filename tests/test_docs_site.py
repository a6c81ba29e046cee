"""The pages of the site: their examples print what stands below them, and nothing public is left out of it.

That the site itself builds without a warning, and that its links lead somewhere, is seen by scripts/docs.
"""

import doctest
import importlib.util
import re
from pathlib import Path

import matplotlib.figure
import pytest

import dynsim
from dynsim.paper import catalogue

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}


def _module(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


examples, figures, links, prose = (_module(name) for name in ("examples", "figures", "links", "prose"))
SESSIONS = [name for name, text in TEXTS.items() if ">>>" in text]
COMMANDS = [(name, *found) for name, text in TEXTS.items() for found in examples.commands(text)]
DRAWINGS = [(name, drawn, code) for name, text in TEXTS.items() for drawn, code in examples.drawings(text).items()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the repository's example data, in which an example may write."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- examples --------------------------------------------------------------------------------------------


def complaints(test):
    """What a session prints that is not on its page."""
    out = []
    doctest.DocTestRunner(checker=examples.Checker(), verbose=False).run(test, out=out.append)
    return "".join(out)


@pytest.mark.parametrize("name", SESSIONS)
def test_sessions_print_what_is_shown(name, folder):
    test = examples.session(TEXTS[name], f"{name}.md")
    # Every >>> of the page is one that is run.
    assert len(test.examples) == len(re.findall(r"^>>>", TEXTS[name], re.MULTILINE)) > 0
    assert complaints(test) == ""


@pytest.mark.parametrize(("name", "arguments", "shown"), COMMANDS)
def test_commands_print_what_is_shown(name, arguments, shown, folder):
    assert shown and examples.Checker().check_output(shown, examples.printed(arguments), 0)


@pytest.mark.parametrize(("name", "drawn", "code"), DRAWINGS)
def test_drawings_are_figures(name, drawn, code, folder):
    space = {}
    exec(compile(code, drawn, "exec"), space)
    assert isinstance(space["figure"], matplotlib.figure.Figure)


def test_pages_hold_no_code_that_is_not_run():
    assert {"start", "tutorial", "own-data", "own-curve", "own-theory"} <= set(SESSIONS)
    assert [name for name, *_ in COMMANDS] == ["own-data"] and len(DRAWINGS) == 3
    run = {"pycon", "console"}
    for name in ("index", *SESSIONS):
        fences = re.findall(r"^```(\S+)", TEXTS[name], re.MULTILINE)
        assert {fence for fence in fences if not fence.startswith("{")} <= run
    scripts = re.findall(r"^\$ \./(\S+)", "".join(TEXTS.values()), re.MULTILINE)
    assert scripts and all((ROOT / script).stat().st_mode & 0o111 for script in scripts)


PAGE = """# A page

```pycon
>>> a = 1.25
>>> print(f"one\\n\\ntwo {a}")
one

two 1.25
```

```text
>>> this is no example
```

```pycon
>>> a, 3.1e-12
(1.25, 2.9e-12)
```
"""


def test_a_session_goes_through_the_fences_of_a_page():
    test = examples.session(PAGE, "page.md")
    assert [(example.lineno, example.source) for example in test.examples] == [
        (3, "a = 1.25\n"),
        (4, 'print(f"one\\n\\ntwo {a}")\n'),
        (15, "a, 3.1e-12\n"),
    ]
    assert complaints(test) == ""


@pytest.mark.parametrize(("was", "now"), [("two 1.25", "two 1.27"), ("one\n", "none\n"), ("1.25, 2", "1.25, 0, 2")])
def test_a_session_that_prints_something_else_is_seen(was, now):
    assert "Expected" in complaints(examples.session(PAGE.replace(was, now), "page.md"))


def test_numbers_may_differ_by_the_last_digit():
    same = examples.Checker().check_output
    assert same("AGREES 0.0275 7.8e-07\n", "AGREES 0.0276 1.2e-09\n", 0)
    assert not same("AGREES 0.0275\n", "AGREES 0.0277\n", 0)
    assert not same("AGREES 0.0275\n", "DISAGREES 0.0275\n", 0)
    assert not same("1 2\n", "1 2 3\n", 0)


def test_a_page_is_rewritten_as_it_runs():
    stale = PAGE.replace("two 1.25", "two 7").replace("2.9e-12", "3.1e-12")
    assert examples.rewritten(stale) == PAGE.replace("2.9e-12", "3.1e-12")


# ---- what belongs to the site ----------------------------------------------------------------------------


def listed(text):
    """The entries of all toctrees of a page."""
    fences = re.findall(r"^```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^\.\. toctree::\n(?:   :.*\n)*\n((?:   .*\n)+)", text, re.MULTILINE)
    return [line.strip() for block in fences + blocks for line in block.splitlines() if line.strip()]


def test_every_page_is_in_the_contents_once():
    expected = {page.stem for page in PAGES} - {"index"} | {"gallery/index", "api/index"}
    found = listed(TEXTS["index"])
    assert sorted(found) == sorted(expected)
    names = {page.stem for page in (DOCS / "api").glob("*.rst")} - {"index"}
    assert sorted(listed((DOCS / "api" / "index.rst").read_text(encoding="utf-8"))) == sorted(names)


REFERENCE = "".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "api").glob("*.rst")))


@pytest.mark.parametrize("package", [dynsim, dynsim.theory])
def test_every_public_name_is_in_the_reference(package):
    whole = set(re.findall(r"automodule:: (\S+)", REFERENCE))
    single = set(re.findall(r"auto(?:class|function|exception):: (\S+)", REFERENCE))
    for name in package.__all__:
        inner = getattr(package, name)
        if inner is dynsim.theory:
            continue
        if hasattr(inner, "__path__") or not hasattr(inner, "__module__"):
            assert inner.__name__ in whole
        else:
            assert name in single


def test_every_module_of_the_paper_is_in_the_reference():
    assert ".. claims::\n   :modules:" in REFERENCE and ".. claims::\n   :others:" in REFERENCE


def test_the_gallery_is_quick_and_in_the_order_of_the_paper():
    assert figures.argv({}, {}) == ["--quick", "--no-files"]
    first, *_, last = catalogue.CLAIMS
    names = ["other.py", f"{last}.py", f"{first}.py"]
    assert sorted(names, key=figures.in_order) == [f"{first}.py", f"{last}.py", "other.py"]


def test_a_figure_is_told_in_words():
    figure = matplotlib.figure.Figure()
    assert figures.title_of(figure) == "figure"
    figure.suptitle("two units,\nlr = .1")
    one, two = figure.subplots(1, 2)
    one.set_title("left")
    two.set_title("left")
    assert figures.title_of(figure) == "two units, lr = .1; left"


def test_the_script_can_be_run():
    script = ROOT / "scripts" / "docs"
    text = script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111 and "sphinx -q -W" in text and "links.py site/html" in text


# ---- words -----------------------------------------------------------------------------------------------


def test_formulas_in_docstrings_are_no_markup():
    lines = [r"With |x|^2 and p * q, and u_ in `|x| * y_`, \|z\|.", "", ">>> abs(-1) | 2 * 3", "7", "", "|y|"]
    assert prose.escaped(lines) == [
        r"With \|x\|^2 and p \* q, and u\_ in `|x| * y_`, \|z\|.", "", ">>> abs(-1) | 2 * 3", "7", "", r"\|y\|",
    ]  # fmt: skip


def test_what_is_indented_in_a_docstring_stands_as_it_is():
    lines = ["Obeys", "", "    du = |x| * u,", "    dv = v,", "", "x : int", "    Its |length|.", "", "    More."]
    assert prose.escaped(lines) == [
        "Obeys", "", "::", "", "    du = |x| * u,", "    dv = v,", "",
        "x : int", r"    Its \|length\|.", "", "    More.",
    ]  # fmt: skip


def test_numbers_of_equations_are_near_them():
    text = f"a = b{' ' * 60}(1.1)\nf(x, (2.3))\n{'c' * 50}{' ' * 30}(1.2)"
    assert prose.numbered(text, 20) == f"a = b{' ' * 49}(1.1)\nf(x, (2.3))\n{'c' * 50}    (1.2)"
    assert prose.numbered("no equation", 20) == "no equation"


def test_files_that_pages_include_are_known():
    assert prose.pages_of(DOCS)[ROOT / "CHANGELOG.md"] == "changelog"
    assert prose.pages_of(DOCS)[ROOT / "scripts" / "gallery"] == "gallery/index"


# ---- links -----------------------------------------------------------------------------------------------


def built(folder, body, style=""):
    """A site of two pages."""
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "a.png").write_bytes(b"")
    (folder / "sub" / "other.html").write_text('<p id="here"><a href="../index.html#top">up</a></p>')
    (folder / "site.css").write_text(style)
    (folder / "index.html").write_text(f'<html id="top"><link rel="stylesheet" href="site.css">{body}</html>')
    return list(links.faults(folder))


SOUND = """
<a href="sub/other.html#here">x</a> <a href="#top">x</a> <a href="https://arxiv.org">x</a>
<a href="mailto:a@b.c">x</a> <img alt="a picture" src="sub/a.png" srcset="sub/a.png 1x, sub/a.png?v=1 2x">
<img alt="" src="data:image/png;base64,AA">
<link rel="next" href="sub/other.html"> <style>p { background: url(sub/a.png) }</style>
"""


def test_a_sound_site_has_no_faults(tmp_path):
    assert built(tmp_path, SOUND, "@import 'site.css'; p { background: url('sub/a.png') }") == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="nowhere.html">x</a>', "leads nowhere: nowhere.html"),
        ('<a href="sub/other.html#there">x</a>', "no such place on that page: sub/other.html#there"),
        ('<a href="#there">x</a>', "no such place on that page: #there"),
        ('<a href="sub">x</a>', "a folder, which shows nothing without a server: sub"),
        ('<a href="/index.html">x</a>', "not relative: /index.html"),
        ('<a href="../outside.html">x</a>', "leaves the site: ../outside.html"),
        ('<link rel="next" href="nowhere.html">', "leads nowhere: nowhere.html"),
        ('<script src="https://cdn.example/a.js"></script>', "loaded from elsewhere: https://cdn.example/a.js"),
        ('<script src="//cdn.example/a.js"></script>', "loaded from elsewhere: //cdn.example/a.js"),
        ('<link rel="stylesheet" href="http://a.example/a.css">', "loaded from elsewhere: http://a.example/a.css"),
        ('<link rel="icon" href="a.ico">', "leads nowhere: a.ico"),
        ('<img alt="" src="https://a.example/a.png">', "loaded from elsewhere: https://a.example/a.png"),
        ('<img alt="" src="sub/a.png" srcset="sub/b.png 2x">', "leads nowhere: sub/b.png"),
        ('<img src="sub/a.png">', "picture without alt: sub/a.png"),
        ('<p style="background: url(b.png)">', "leads nowhere: b.png"),
        ("<style>@import url(https://a.example/a.css);</style>", "loaded from elsewhere: https://a.example/a.css"),
    ],
)
def test_a_planted_fault_is_found(body, fault, tmp_path):
    assert built(tmp_path, SOUND + body) == [f"index.html: {fault}"]


def test_style_sheets_are_looked_at(tmp_path):
    style = '@import "https://a.example/a.css"; p { background: url(b.woff2) }'
    assert built(tmp_path, SOUND, style) == [
        "site.css: leads nowhere: b.woff2",
        "site.css: loaded from elsewhere: https://a.example/a.css",
    ]


def test_faults_end_in_failure(tmp_path, capsys):
    assert links.main(tmp_path) == 1
    assert "no page" in capsys.readouterr().err
    built(tmp_path, SOUND)
    assert links.main(tmp_path) == 0
    built(tmp_path, '<a href="nowhere.html">x</a>')
    assert links.main(tmp_path) == 1
    assert "index.html: leads nowhere: nowhere.html" in capsys.readouterr().err
