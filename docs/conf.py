"""Sphinx configuration. The pages load nothing from elsewhere and nothing is executed while they are built."""

from metanet import __version__

project = "metanet"
author = "The metanet authors"
copyright = "The metanet authors; code MIT, evidence CC BY 4.0"
version = release = __version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = f"metanet {release}"
html_copy_source = False
html_show_sourcelink = False

# The examples are run by tests/docs, where a failure is a failed test; a page is built from text alone.
nb_execution_mode = "off"
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_numpy_docstring = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88


def _attributes_as_list(app, what, name, obj, options, lines):
    """Attributes of a class as a definition list, which the docstrings already are; napoleon knows one name per entry."""
    if what == "class" and "Attributes" in lines:
        start = lines.index("Attributes")
        if lines[start + 1].startswith("---"):
            lines[start : start + 2] = [".. rubric:: Attributes", ""]


def _no_constructor(app, what, name, obj, options, signature, returns):
    """Results are made by functions, not by their constructors."""
    hidden = what == "class" and not issubclass(obj, BaseException)
    return ("", None) if hidden else (signature, returns)


def setup(app):
    """Register the two hooks, before napoleon's own."""
    app.connect("autodoc-process-docstring", _attributes_as_list, priority=400)
    app.connect("autodoc-process-signature", _no_constructor)
