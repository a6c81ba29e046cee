"""How the site is built; see scripts/docs. Nothing here needs the network, to build the pages or to read them."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import dynsim  # noqa: E402

project = "dynsim"
author = "the dynsim authors"
copyright = "MIT License"
version = release = dynsim.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "repository",
    "drawn",
    "claims",
]
exclude_patterns = ["_ext", "_static", "gallery/*.py", "gallery/*.ipynb", "gallery/*.md5", "gallery/*.zip"]
nitpicky = True
# Types in docstrings are words ("array_like, shape (T,)"); those in signatures say less.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# What a docstring shows as it stands are formulas; examples are known by their >>>.
highlight_language = "none"
# `name` in a docstring is code; where it is the name of something documented here it is a link too.
default_role = "named"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_validation_checks: set[str] = set()

source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_title = "dynsim"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
# An excerpt needs the page found, which a browser does not fetch for a page opened from a file.
html_show_search_summary = False
# ... and -- are what they are in formulas and options.
smartquotes = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#00609a"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#56B4E9"},
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

sphinx_gallery_conf = {
    "examples_dirs": "../scripts/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"(^|[/\\])_",
    "within_subsection_order": "figures.in_order",
    "reset_argv": "figures.argv",
    "image_scrapers": ("figures.scraper",),
    "image_srcset": ["2x"],
    "reset_modules": (),
    "capture_repr": (),
    "thumbnail_size": (480, 320),
    # The laws may have changed although the script has not.
    "run_stale_examples": True,
    # Times would differ from build to build.
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "show_signature": False,
    "show_memory": False,
    "download_all_examples": False,
    "notebook_extensions": set(),
}
