"""HTML and drawings of a notebook as a page may show them: nothing runs, leads away, covers the page or leaves it on its own.

The policy of the page stops scripts and requests. What it does not stop is removed here: refreshing and base elements, forms, frames,
styles that place something over the page, and links to anything but pages, mails and parts of the page.
"""

from __future__ import annotations

import re
import secrets
from functools import cache
from typing import Any
from xml.etree import ElementTree

from metanet.writing.table.html import STYLE as TABLES


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


#: Elements of reports and of notebooks; everything else loses its tags, and some their content as well.
_TAGS = _words(
    "a abbr b blockquote br caption cite code col colgroup dd del details div dl dt em figcaption figure footer h1 h2 h3 h4 h5 h6",
    "hr i img ins kbd li mark ol p pre q s samp section small span strong sub summary sup table tbody td tfoot th thead tr u ul",
    "var wbr",
)
_WITHOUT_CONTENT = _words("script style template iframe object embed noscript form textarea select title head")
_EVERYWHERE = _words("class id title lang dir role tabindex style scope headers colspan rowspan width height alt")
_ATTRIBUTES = {"a": {"href"}, "img": {"src"}, "ol": {"start", "type"}, "li": {"value"}, "details": {"open"}, "td": {"data-label"}}
#: Properties of a style that stay inside their element; a negative length does not.
_STYLES = _words(
    "background background-color border border-bottom border-collapse border-color border-left border-radius border-right",
    "border-style border-top border-width color font-family font-size font-style font-variant-numeric font-weight letter-spacing",
    "line-height margin max-width overflow-x padding padding-bottom padding-left padding-right padding-top text-align",
    "text-decoration vertical-align white-space width word-break",
)
_NEGATIVE = re.compile(r":[^;]*(?:[\s:(]|^)-[\d.]")
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,", re.IGNORECASE)
_LINK = re.compile(r"(?:https?:|mailto:|#|(?!//)[\w./-]+(?:[?#]|$))", re.IGNORECASE)
#: The style sheet of our tables, which stands in each of them; no other one is taken.
_SHEET = f"<style>{TABLES}</style>"
#: What stands in the place of something that is set aside; no attribute has it.
_ASIDE = "metanet-aside-"
_DRAWING = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
#: Elements of a drawing; an HTML reader ends the drawing at others.
_DRAWN = _words(
    "svg g path text tspan rect circle ellipse line polyline polygon defs clipPath use title desc style marker pattern image",
    "linearGradient radialGradient stop metadata RDF Work type date format creator Agent",
)
#: What is read otherwise as XML than as HTML, or is more than a drawing needs.
_ODD = re.compile(rb"<!ENTITY|<!\[CDATA\[|<!--(?:-?>)|<\?(?!xml\s)", re.IGNORECASE)
#: The only styles of a drawing: the fonts that it brings, and what Matplotlib says of all its lines.
_RULES = re.compile(r"(?:\s|@font-face\s*\{[^{}]*\}|\*\s*\{\s*stroke-linejoin:[^{}]*\})*")
_ADDRESS = re.compile(r"url\(\s*[\"']?(?!#|data:(?:font|application/font))|@import", re.IGNORECASE)
_AWAY = re.compile(r"position|javascript|expression|behavior", re.IGNORECASE)


def harmless_html(html: str) -> str:
    """A piece of HTML without what could harm its reader; what this package writes stays as it is."""
    mark, kept = f"{_ASIDE}{secrets.token_hex(16)}", [_SHEET]

    def aside(found: re.Match[str]) -> str:
        kept.append(found[0] if is_harmless_drawing(found[0].encode("utf-8", "replace")) else "")
        return f"{mark}-{len(kept) - 1}-"

    cleaned = str(_cleaner().clean(_DRAWING.sub(aside, html.replace(_SHEET, f"{mark}-0-"))))
    return re.sub(f"{mark}-(\\d+)-", lambda found: kept[int(found[1])], cleaned)


def is_harmless_drawing(svg: bytes) -> bool:
    """Whether an SVG file can be a part of a page; others are shown as pictures, in which nothing runs."""
    if _ODD.search(svg):
        return False
    try:
        root = ElementTree.fromstring(svg)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError):
        return False
    return all(_is_harmless(element) for element in root.iter())


def _is_harmless(element: ElementTree.Element) -> bool:
    """Whether an element of a drawing draws and nothing else."""
    name = str(element.tag).rpartition("}")[2]
    if name not in _DRAWN:
        return False
    if name == "style" and (not _RULES.fullmatch(element.text or "") or _ADDRESS.search(element.text or "")):
        return False
    for key, value in element.attrib.items():
        plain = key.rpartition("}")[2].casefold()
        if plain.startswith("on") or (plain == "href" and not value.startswith(("#", "data:image/png;base64,"))):
            return False
        if plain != "href" and (_ADDRESS.search(value) or (plain == "style" and _AWAY.search(value))):
            return False
    return True


@cache
def _cleaner() -> Any:
    import nh3

    return nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=set(_WITHOUT_CONTENT),
        attributes={"*": set(_EVERYWHERE), **{tag: set(names) for tag, names in _ATTRIBUTES.items()}},
        attribute_filter=_attribute,
        generic_attribute_prefixes={"aria-"},
        filter_style_properties=set(_STYLES),
        url_schemes={"http", "https", "mailto", "data"},
        link_rel=None,
        strip_comments=True,
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Links lead to pages, mails and parts of the page; pictures are in the page."""
    if _ASIDE in value:
        return None
    if tag == "a" and name == "href":
        return value if _LINK.match(value.strip()) else None
    if tag == "img" and name == "src":
        return value if _PICTURE.match(value) or (_LINK.match(value) and ":" not in value) else None
    if name == "style" and _NEGATIVE.search(value):
        return None
    return value
