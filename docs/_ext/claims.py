"""A directive that lists the claims of the paper, as the catalogue has them, with their figures."""

import pkgutil
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Claims(SphinxDirective):
    """`claims`: those of the paper.

    With the option `beyond`: those that go on from it. With `modules`: the reference of their modules; with
    `others`: that of all other modules of `dynsim.paper`.
    """

    option_spec: ClassVar = {name: directives.flag for name in ("beyond", "modules", "others")}

    def run(self) -> list[nodes.Node]:
        """A definition list, or a section a module."""
        from dynsim.paper.catalogue import CLAIMS

        if {"modules", "others"} & set(self.options):
            return self.parse_text_to_nodes(_modules("others" in self.options), allow_section_headings=True)
        listed = nodes.definition_list()
        for entry in CLAIMS.values():
            if entry.beyond == ("beyond" in self.options):
                listed += self._listed(entry)
        return [nodes.container("", listed, classes=["claims"])]

    def _listed(self, entry: Any) -> nodes.definition_list_item:
        name: nodes.Element = nodes.literal("", entry.name)
        if (Path(self.env.srcdir) / "gallery" / f"{entry.name}.rst").exists():
            told = {"refdomain": "std", "reftype": "doc", "reftarget": f"/gallery/{entry.name}"}
            name = pending_xref("", name, refdoc=self.env.docname, refexplicit=True, refwarn=True, **told)
        words = [nodes.paragraph("", entry.statement)]
        if entry.setting:
            words.append(nodes.paragraph("", entry.setting, classes=["setting"]))
        head = (nodes.term("", "", name), nodes.classifier("", entry.source))
        item = nodes.definition_list_item("", *head, nodes.definition("", *words))
        self.set_source_info(item)
        return item


def _modules(others: bool) -> str:
    from dynsim import paper
    from dynsim.paper.catalogue import CLAIMS

    names = [entry.reproduce.__module__ for entry in CLAIMS.values()]
    if others:
        every = [module.name for module in pkgutil.iter_modules(paper.__path__, "dynsim.paper.")]
        names = [name for name in every if name not in names]
    return "\n".join(f"{name}\n{'-' * len(name)}\n\n.. automodule:: {name}\n   :members:\n" for name in names)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("claims", Claims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
