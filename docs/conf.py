"""Sphinx configuration. The pages load nothing from elsewhere and nothing is executed while they are built."""

from metanet import __version__

project = "metanet"
author = "The metanet authors"
copyright = "The metanet authors; code MIT, evidence CC BY 4.0"  # noqa: A001
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
# The include of the codebook carries links that are relative to its own folder.
myst_enable_extensions = ["colon_fence"]

napoleon_google_docstring = False
napoleon_numpy_docstring = True
# Attributes as a list: the fields of a data class would else be described twice.
napoleon_use_ivar = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
