"""SVG files whose texts are texts: with the fonts that they were measured in, at their measured widths, titled and described."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from html import unescape
from io import BytesIO

from matplotlib import font_manager

from metanet.base.untrusted import html_text
from metanet.figures.page import style
from metanet.figures.page.text import drawn_width

#: Characters of nearly every figure: a font of these is made once in a process, and that of a figure is cut out of it.
_USUAL = (
    "".join(map(chr, range(32, 127)))
    + "ÄÅÆÇÉÖØÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŁłńśćčęąşğİıŠšŽžŒœřěůőű"
    + "–—−×±≤≥²³¹°µ·…‘’“”←→↘↑↓∞τχρθΔ≈§•\u00a0"
)
#: Where the fonts of a file are not used, those that are nearest in width, and whatever the reader has.
_STACK = ("Verdana", "Arial", "sans-serif")
_TEXT = re.compile(r'<text style="(?P<style>[^"]*)"(?P<place>[^>]*)>(?P<text>[^<]*)</text>')
_ODD = re.compile(r"[^\w .-]")
#: What a drawing of Matplotlib has before its first element, and title, description and origin, which a page says itself.
_BEFORE = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_ROOT = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_SAID = re.compile(r"\s*<(title|desc|metadata)\b[^>]*>.*?</\1>", re.DOTALL)
_NAMES = re.compile(r"""(\bid="|url\(#|href="#)""")
_LEVEL = re.compile(r' transform="rotate\(-0 [^)]*\)"')


def finished(svg: bytes, alt: str, text: str, *, fonts: bool = True) -> bytes:
    """An SVG file of Matplotlib's with title and description and with measured texts; `fonts` says whether it brings their fonts.

    A reader may lack the font, or a program may not take it out of the file: the width of every text stands in the file, so that
    no other font makes it longer or shorter.
    """
    content = svg.decode("utf-8")
    used: dict[tuple[str, bool], set[str]] = {}
    content = _TEXT.sub(lambda found: _fitted(found, used), content)
    head = content.index("<svg")
    end = content.index(">", head)
    about = f"\n <title>{html_text(alt)}</title>" if alt else ""
    about += f"\n <desc>{html_text(text)}</desc>" if text else ""
    family = ", ".join(_quoted(name) for name in (*style.primary(), *_STACK))
    faces = _faces(used) if fonts else ""
    opening = f'{content[head:end]} role="img" font-family="{family}">{about}{faces}'
    return (content[:head] + opening + content[end + 1 :]).encode("utf-8")


def inline(svg: bytes, alt: str, mark: str, look: str = "") -> str:
    """An SVG file as an element of a page, named by its alternative text; empty where it is none.

    `mark` goes before the names of its parts, which must differ from those of other drawings on the page; `look` is a style.
    """
    text = _BEFORE.sub("", svg.decode("utf-8", "replace"), count=1)
    head = _ROOT.match(text)
    if head is None:
        return ""
    begin, rest = head[0], text[head.end() :]
    # Those of the whole drawing come first; further down titles belong to its parts.
    cut = rest.find("<g ")
    rest = _SAID.sub("", rest[:cut]) + rest[cut:] if cut > 0 else rest
    begin = re.sub(r'\s(role|aria-\w+|style)="[^"]*"', "", begin).removesuffix(">")
    style_of = f' style="{look}"' if look else ""
    return _NAMES.sub(rf"\1{mark}-", f'{begin} role="img" aria-label="{html_text(alt)}"{style_of}>{rest}')


def _quoted(name: str) -> str:
    """A family as a style sheet and an attribute take it."""
    return name if name == "sans-serif" else f"'{_ODD.sub('', name)}'"


def _fitted(found: re.Match[str], used: dict[tuple[str, bool], set[str]]) -> str:
    """One text with its measured width, without what is the same in all; its characters are entered into `used`."""
    rules = dict(part.split(": ", 1) for part in found["style"].split("; ") if ": " in part)
    families = tuple(name.strip().strip("'\"") for name in rules.pop("font-family", "").split(","))
    size, bold = float(rules["font-size"].removesuffix("px")), rules.get("font-weight", "400") != "400"
    text = unescape(found["text"])
    for family, characters in style.by_family(text, families):
        used.setdefault((family, bold), set()).update(characters)
    if families != style.primary():
        rules["font-family"] = ", ".join(_quoted(name) for name in (*families, *_STACK)).replace('"', "'")
    if rules.get("text-anchor") == "start":
        del rules["text-anchor"]
    told = "; ".join(f"{name}: {value}" for name, value in rules.items())
    place = _LEVEL.sub("", found["place"])
    width = drawn_width(text, size, bold, families)
    known = len(text) > 1 and not style.missing_from(text)
    fixed = f' textLength="{width:.2f}" lengthAdjust="spacingAndGlyphs"' if known else ""
    return f'<text style="{told}"{place}{fixed}>{found["text"]}</text>'


def _faces(used: dict[tuple[str, bool], set[str]]) -> str:
    """The fonts of a figure as rules of its style sheet; a family that is not told by name is the reader's."""
    rules = []
    for (family, bold), characters in sorted(used.items()):
        for data in _fonts(family, bold, frozenset(characters)):
            source = base64.b64encode(data).decode("ascii")
            weight = "bold" if bold else "normal"
            rules.append(f"@font-face{{font-family:'{family}';font-weight:{weight};src:url(data:font/woff;base64,{source})}}")
    return f'\n <style type="text/css">{"".join(rules)}</style>' if rules else ""


@lru_cache(maxsize=64)
def _fonts(family: str, bold: bool, characters: frozenset[str]) -> tuple[bytes, ...]:
    """The fonts with these characters: one cut out of the usual ones, and one of the others."""
    usual = characters & frozenset(_USUAL)
    others = characters - usual
    parts = [_subset(BytesIO(_usual(family, bold)), -1, usual, "woff")] if usual else []
    parts += [_subset(*_file(family, bold), others, "woff", shaped=True)] if others else []
    return tuple(parts)


@cache
def _usual(family: str, bold: bool) -> bytes:
    return _subset(*_file(family, bold), _USUAL, None)


def _file(family: str, bold: bool) -> tuple[str, int]:
    """The file of a font, and its number in a collection."""
    found = font_manager.findfont(font_manager.FontProperties(family=[family], weight="bold" if bold else "normal"))
    return str(found), int(getattr(found, "face_index", 0))


def _subset(source: str | BytesIO, number: int, characters: Iterable[str], flavor: str | None, *, shaped: bool = False) -> bytes:
    """The font of a file with these characters alone; `shaped` keeps the rules by which a script joins its letters.

    Without hints and kerning, which the measured widths replace, and without dates: the same bytes for the same characters.
    """
    from fontTools import subset

    options = subset.Options()
    options.flavor = flavor
    options.layout_features = ["*"] if shaped else []
    options.hinting = options.legacy_kern = options.recalc_timestamp = options.glyph_names = False
    options.notdef_outline = True
    options.name_IDs = []
    options.drop_tables += ["FFTM", "MATH", "gasp", *(() if shaped else ("GPOS", "GSUB", "GDEF", "kern"))]
    options.font_number = max(0, number)
    out = BytesIO()
    with subset.load_font(source, options, dontLoadGlyphNames=True) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(text="".join(sorted(characters)))
        cutter.subset(font)
        subset.save_font(font, out, options)
    return out.getvalue()
