"""A directive whose code draws: it must leave a matplotlib Figure in `figure`, which is shown in its place.

On the repository's host the code itself is seen. The picture is made anew with every build, so it cannot be older
than the code it is drawn by.
"""

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def figure_of(code: str, name: str) -> Any:
    """The Figure that the code leaves in `figure`."""
    space: dict[str, Any] = {}
    exec(compile(code, name, "exec"), space)
    if "figure" not in space:
        raise ValueError(f"{name}: the code must leave a Figure in `figure`")
    return space["figure"]


class Drawn(SphinxDirective):
    """`{drawn} NAME` with the option `alt`, the picture in words."""

    has_content = True
    required_arguments = 1
    option_spec: ClassVar = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Draw, keep the picture, and show it."""
        if "alt" not in self.options:
            raise self.error("drawn: the option alt must say what the picture shows")
        name = self.arguments[0]
        folder = Path(self.env.srcdir) / "_made"
        folder.mkdir(exist_ok=True)
        figure = figure_of("\n".join(self.content), f"{self.env.docname}: {name}")
        figure.savefig(folder / f"{name}.png", dpi=160)
        return [nodes.image(uri=f"/_made/{name}.png", alt=self.options["alt"], classes=["drawn"])]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("drawn", Drawn)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
