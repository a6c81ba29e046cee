"""Links and names that mean one thing in the repository and another on the site.

A page may link to a file of the repository that is no page of the site, as `../scripts/accuracy_rows`: on the
repository's host that is a link, here it is the path, in literal letters. A file that a page of the site includes
(CHANGELOG.md) becomes a link to that page. And `name` in a docstring is code, a link where it is documented.
"""

from pathlib import Path
from typing import Any, get_origin

import prose
from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole
from sphinx.environment import BuildEnvironment


class Named(PyXRefRole):
    """`name`: a link to what is documented under that name, plain code otherwise."""

    def process_link(
        self, env: BuildEnvironment, refnode: nodes.Element, has_explicit_title: bool, title: str, target: str
    ) -> tuple[str, str]:
        """Marks the reference as one that need not lead anywhere."""
        refnode.update_basic_atts({"refdomain": "py", "reftype": "obj"})
        refnode["named"] = True
        return super().process_link(env, refnode, has_explicit_title, title, target)


def _unresolved(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element) -> nodes.Node | None:
    return nodes.literal("", text.astext()) if node.get("named") else None


def _of_repository(app: Sphinx, doctree: nodes.document) -> None:
    """Links to files that are no pages: to the page that includes them, or no links."""
    document = app.env.current_document.docname
    page, top = Path(app.env.doc2path(document)), Path(app.srcdir)
    for node in [*doctree.findall(pending_xref), *doctree.findall(download_reference)]:
        target = str(node.get("reftarget", "")).partition("#")[0]
        path = (page.parent / target).resolve()
        if not path.exists():
            # The name of a document has lost its suffix.
            path = path.with_name(f"{path.name}.md")
        if node.get("reftype") != "myst" or path.is_relative_to(top) or not path.is_relative_to(top.parent):
            continue
        if (name := prose.pages_of(top).get(path)) is not None:
            told = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{name}", "refdoc": document}
            new: nodes.Node = pending_xref("", *node.children, refexplicit=True, refwarn=True, **told)
        elif path.exists():
            new = nodes.literal("", path.relative_to(top.parent).as_posix())
        else:
            continue
        node.replace_self(new)


def _escaped(app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]) -> None:
    lines[:] = prose.escaped(lines)


def _skipped(app: Sphinx, what: str, name: str, documented: Any, skip: bool, options: Any) -> bool | None:
    """Fields of a named tuple are told by the docstring of the whole, and names of types by where they are used."""
    field = str(getattr(documented, "__doc__", "")).startswith("Alias for field number")
    return True if field or get_origin(documented) is not None else None


def _equations(app: Sphinx, doctree: nodes.document) -> None:
    for block in doctree.findall(nodes.literal_block):
        if (text := prose.numbered(block.astext())) != block.astext():
            block.children = []
            block.rawsource = text
            block += nodes.Text(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    # Before numpydoc, which is at 500 and writes markup of its own.
    app.connect("autodoc-process-docstring", _escaped, priority=400)
    app.connect("autodoc-skip-member", _skipped)
    app.add_role("named", Named())
    app.connect("missing-reference", _unresolved)
    app.connect("doctree-read", _of_repository)
    app.connect("doctree-read", _equations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
