"""What sphinx-gallery is told: how scripts are called, in which order they stand, how their figures are kept."""

from pathlib import Path
from typing import Any

#: The script leaves its figure under this name.
VARIABLE = "figure"
#: Dots per inch of the picture, and of the one for dense screens.
DENSITY = {1: 100, 2: 200}


def argv(configuration: dict[str, Any], variables: dict[str, Any]) -> list[str]:
    """The gallery is drawn in the quick form; the figures of the full one come from `dynsim reproduce`."""
    return ["--quick", "--no-files"]


def in_order(name: str) -> tuple[int, str]:
    """The order of the paper, as the catalogue of claims has it; what is no claim comes after them."""
    from dynsim.paper.catalogue import CLAIMS

    names = list(CLAIMS)
    stem = Path(name).stem
    return (names.index(stem) if stem in names else len(names), name)


def title_of(figure: Any) -> str:
    """The figure in words, for those who do not see it: its title and those of its panels."""
    titles = [figure.get_suptitle(), *(ax.get_title() for ax in figure.axes)]
    return "; ".join(dict.fromkeys(" ".join(title.split()) for title in titles if title.strip())) or "figure"


def scraper(block: Any, variables: dict[str, Any], configuration: dict[str, Any]) -> str:
    """Keep the figure that a block of a script has left, unless a block before has left the same one."""
    from matplotlib.figure import Figure
    from sphinx_gallery.scrapers import figure_rst

    figure = variables["example_globals"].get(VARIABLE)
    if not isinstance(figure, Figure) or getattr(figure, "kept", False):
        return ""
    figure.kept = True  # type: ignore[attr-defined]
    path = Path(next(variables["image_path_iterator"]))
    paths = {1: path, 2: path.with_name(f"{path.stem}_2_00x.png")}
    for size, place in paths.items():
        figure.savefig(place, dpi=DENSITY[size])
    several = [{0: str(paths[1]), 2.0: str(paths[2])}]
    return str(figure_rst([str(path)], configuration["src_dir"], title_of(figure), several))
