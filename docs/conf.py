"""Sphinx configuration. The pages load nothing from elsewhere and nothing is executed while they are built."""

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

import metanet
from metanet import __version__
from metanet.evidence.bias.tools import tools
from metanet.figures.registry import figures
from metanet.models import registry

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


class Figures(SphinxDirective):
    """The functions that draw, one entry for each figure of the registry."""

    def run(self):
        """Entries of autodoc, in the order of their names."""
        # Public names have entries of their own.
        found = [figure.function for figure in figures().values() if figure.function.__name__ not in metanet.__all__]
        lines = [f".. autofunction:: {each.__module__}.{each.__name__}" for each in found]
        return self.parse_text_to_nodes("\n\n".join(lines))


class Choices(SphinxDirective):
    """A table of the registry of models: `models`, `tau2`, `ci`, `tau2_ci`, `prediction` or `i2`."""

    required_arguments = 1

    def run(self):
        """A list-table: code, name, source."""
        table = getattr(registry, directives.choice(self.arguments[0], _TABLES).upper())
        lines = [".. list-table::", "   :header-rows: 1", "", "   * - code", "     - name", "     - source"]
        for row in table.values():
            source = f"doi:{row.source}" if row.source else ""
            lines += [f"   * - ``{row.code}``", f"     - {row.title}", f"     - {source}"]
        return self.parse_text_to_nodes("\n".join(lines)) or [nodes.paragraph()]


class BiasTools(SphinxDirective):
    """The registry of tools for the risk of bias, a table; then the words of the domains of each."""

    def run(self):
        """A list-table and a list."""
        rules = {"worst": "worst domain", "sum": "sum", "stated": "stated by the assessors"}
        lines = [".. list-table::", "   :header-rows: 1", ""]
        rows = [("word", "tool", "levels, the best first", "overall judgement", "source")]
        for tool in tools().values():
            version = f" ({tool.version})" if tool.version else ""
            levels = ", ".join(f"``{level.key}``" for level in tool.levels)
            source = f"doi:{tool.doi}" if tool.doi else tool.url or "none"
            rows.append((f"``{tool.key}``", f"{tool.title}{version}", levels, rules[tool.rule], source))
        for row in rows:
            lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
        lines += ["", "The domains, by their words:", ""]
        for tool in tools().values():
            words = ", ".join(f"``{domain.key}``" for domain in tool.domains)
            more = "names that the review chooses" if tool.any_domain else ""
            lines += [f"- ``{tool.key}``: {'; '.join(part for part in (words, more) if part)}"]
        return self.parse_text_to_nodes("\n".join(lines))


_TABLES = ("models", "tau2", "ci", "tau2_ci", "prediction", "i2")


def setup(app):
    """Register the directives and the two hooks, the latter before napoleon's own."""
    app.add_directive("figures", Figures)
    app.add_directive("choices", Choices)
    app.add_directive("bias-tools", BiasTools)
    app.connect("autodoc-process-docstring", _attributes_as_list, priority=400)
    app.connect("autodoc-process-signature", _no_constructor)
