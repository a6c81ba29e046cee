"""Two wings and a hall: who imports whom inside dynsim, read from the sources, and what `import dynsim` loads."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import dynsim

ROOT = Path(dynsim.__file__).parent
GROUND = {
    *("archive", "assumptions", "checks", "cones", "curves", "data", "dataset", "fates", "files"),
    *("init", "losses", "network", "pictures", "signs", "tables", "trajectory"),
}
WINGS = {"theory", "empirical"}
LATE = {"dask", "matplotlib", "pandas", "sklearn", "tqdm", "xarray"}


class Import(NamedTuple):
    """One imported module, in full, and where: inside which function ("" at the top), for type checkers only."""

    module: str
    function: str
    typing: bool


class Reader(ast.NodeVisitor):
    """Collects the imports of one module; `known` are the names of all modules of the package.

    The class of a method is no function: Trajectory.plot is the function "plot".
    """

    def __init__(self, name, is_package, known):
        self.package = name.split(".") if is_package else name.split(".")[:-1]
        self.known, self.found, self.functions, self.typing = known, [], [], False

    def add(self, module):
        self.found.append(Import(module, ".".join(self.functions), self.typing))

    def visit_Import(self, node):
        for alias in node.names:
            self.add(alias.name)

    def visit_ImportFrom(self, node):
        above = self.package[: len(self.package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            # `from dynsim import x` is the module x where there is one, else something the package holds.
            whole = f"{base}.{alias.name}"
            self.add(whole if whole in self.known else base)

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("import_module", "__import__"):
            constant = node.args and isinstance(node.args[0], ast.Constant)
            self.add(str(node.args[0].value) if constant else "unreadable")
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self.functions.append(node.name)
        self.generic_visit(node)
        self.functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        self.functions.append("<lambda>")
        self.generic_visit(node)
        self.functions.pop()

    def visit_If(self, node):
        test = ast.unparse(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            before, self.typing = self.typing, True
            for child in node.body:
                self.visit(child)
            self.typing = before
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)


def read(source, name, is_package=False, known=()):
    reader = Reader(name, is_package, set(known))
    reader.visit(ast.parse(source))
    return reader.found


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
IMPORTS = {
    name: read(path.read_text(encoding="utf-8"), name, path.name == "__init__.py", PATHS)
    for name, path in PATHS.items()
}


def place(module):
    """ground, theory, empirical, hall, or elsewhere for what is not dynsim's."""
    parts = module.split(".")
    if parts[0] != "dynsim":
        return "elsewhere"
    second = parts[1] if len(parts) > 1 else ""
    return "ground" if second in GROUND else second if second in WINGS else "hall"


def offences(imports):
    """What breaks the layout, in words; {module: [Import]} -> list of str."""
    out = []
    for name, found in imports.items():
        here = place(name)
        for item in found:
            there = place(item.module)
            crossing = here in WINGS and there in WINGS - {here}
            # A wing that imports the hall would reach the other wing through it.
            upwards = (here == "ground" and there in {"hall", *WINGS}) or (here in WINGS and there == "hall")
            drawing = (name, *item[:2]) == ("dynsim.trajectory", "dynsim.plotting", "plot")
            if crossing or (upwards and not drawing):
                out.append(f"{name} imports {item.module}")
            if item.module.startswith("dynsim.cli") and name != "dynsim.__main__":
                out.append(f"{name} imports {item.module}")
            if item.module.split(".")[0] in LATE and not item.function and not item.typing:
                out.append(f"{name} imports {item.module} at the top")
            if item.module == "unreadable":
                out.append(f"{name} imports a module whose name is computed")
    return out


def test_nothing_breaks_the_layout():
    assert offences(IMPORTS) == []


def test_the_whole_package_was_read():
    """The reading is of the files that are there, the ground floor is complete, and imports were found."""
    assert {f"dynsim.{name}" for name in GROUND} <= set(PATHS)
    assert {place(name) for name in PATHS} == {"ground", "theory", "empirical", "hall"}
    for name in ("dynsim.theory.prediction", "dynsim.empirical.training"):
        assert "dynsim.losses" in [item.module for item in IMPORTS[name]]
    assert Import("dynsim.plotting", "plot", False) in IMPORTS["dynsim.trajectory"]
    assert "dynsim.theory.prediction" in [item.module for item in IMPORTS["dynsim.comparison"]]


PLANTED = [
    ("dynsim.theory.maps", "from dynsim.empirical import training"),
    ("dynsim.theory.maps", "from dynsim.empirical.training import train"),
    ("dynsim.theory.maps", "from ..empirical import training"),
    ("dynsim.theory.maps", "from .. import empirical"),
    ("dynsim.theory.maps", "def f():\n    import dynsim.empirical.training"),
    ("dynsim.theory.maps", "from dynsim import train"),
    ("dynsim.theory.maps", "import dynsim"),
    ("dynsim.theory.maps", "from dynsim.comparison import compare"),
    ("dynsim.empirical.training", "class A:\n    def f(self):\n        from dynsim import theory"),
    ("dynsim.empirical.training", "from dynsim.theory.maps import advance"),
    ("dynsim.empirical.training", "import importlib\nimportlib.import_module('dynsim.theory.maps')"),
    ("dynsim.empirical.training", "import importlib\nimportlib.import_module('dynsim.' + 'theory')"),
    ("dynsim.empirical.training", "if TYPE_CHECKING:\n    import dynsim.theory.maps"),
    ("dynsim.losses", "from dynsim.theory import maps"),
    ("dynsim.losses", "from . import comparison"),
    ("dynsim.losses", "def f():\n    from dynsim import plotting"),
    ("dynsim.trajectory", "from dynsim import plotting"),
    ("dynsim.trajectory", "def crossing():\n    from dynsim import plotting"),
    ("dynsim.comparison", "from dynsim import cli"),
    ("dynsim.comparison", "def f():\n    from dynsim.cli import main"),
    ("dynsim.plotting", "import matplotlib.pyplot as plt"),
    ("dynsim.plotting", "try:\n    import pandas\nexcept ImportError:\n    pandas = None"),
    ("dynsim.plotting", "class A:\n    from tqdm import tqdm"),
    ("dynsim.plotting", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import xarray"),
]

HARMLESS = [
    ("dynsim.theory.maps", "from dynsim import losses\nfrom . import modes\nfrom ..checks import Floats"),
    ("dynsim.trajectory", "class T:\n    def plot(self):\n        from dynsim import plotting"),
    ("dynsim.comparison", "from dynsim import train, theory\nfrom dynsim.empirical import training"),
    ("dynsim.__main__", "from dynsim.cli import main"),
    ("dynsim.plotting", "def f():\n    import matplotlib.pyplot"),
    ("dynsim.plotting", "import typing\nif typing.TYPE_CHECKING:\n    import pandas"),
]


def offences_of(name, source):
    return offences({name: read(source, name, False, {*PATHS, "dynsim.cli"})})


@pytest.mark.parametrize(("name", "source"), PLANTED)
def test_a_planted_offence_is_found(name, source):
    assert len(offences_of(name, source)) >= 1


@pytest.mark.parametrize(("name", "source"), HARMLESS)
def test_what_is_allowed_is_no_offence(name, source):
    assert offences_of(name, source) == []


def loaded_by(statement):
    code = f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(done.stdout.split())


def test_import_dynsim_loads_no_plotting_and_no_tables():
    loaded = loaded_by("import dynsim")
    assert "dynsim" in loaded and "numpy" in loaded
    assert loaded & LATE == set()


def test_what_was_loaded_is_seen():
    """The check above can fail: a module imported in the same way shows up."""
    assert "tqdm" in loaded_by("import dynsim, tqdm")
