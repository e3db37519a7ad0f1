"""A document as a Word file: real headings, editable tables, figures with descriptions; the same bytes on every run."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from metanet.base.untrusted import xml_text
from metanet.reporting.documents.bitmap import bitmap_of
from metanet.reporting.documents.blocks import Block, Caption, Document, Figure, Heading, Listing, Paragraph, Pointers, Preformatted
from metanet.reporting.documents.layout import held_by_next, scale_of, sections
from metanet.writing.table.table import Table
from metanet.writing.table.word import fill, lay, lies, saved, write_linked

_FONT, _MONO = "Calibri", "Consolas"
#: Points of the text, of small print, and of the headings by their level.
_TEXT, _SMALL, _HEADS = 10.5, 8.5, (14.0, 12.0, 11.0)
#: Levels of headings that Word has styles for.
_LEVELS = 9


def docx_of(document: Document) -> bytes:
    """The bytes of a Word file."""
    import docx

    made = docx.Document()
    _styles(made)
    made.add_paragraph(xml_text(document.title), style="Title")
    if document.below:
        made.add_paragraph(xml_text(document.below), style="Subtitle")
    for place, part in enumerate(sections(document, lies)):
        section = made.sections[0] if place == 0 else made.add_section()
        lay(section, wide=part.wide)
        if place == 0:
            _footer(section, document.origin)
        for block, held in zip(part.blocks, held_by_next(part.blocks), strict=True):
            _add(made, block, part.wide)
            if held:
                made.paragraphs[-1].paragraph_format.keep_with_next = True
    return saved(made, document.title)


def _styles(made: Any) -> None:
    from docx.enum.style import WD_STYLE_TYPE
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    def font(style: Any, points: float, name: str = _FONT, **more: bool) -> Any:
        style.font.size, style.font.name = Pt(points), name
        # The theme of the template names other fonts and would take precedence.
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for kind in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(qn(f"w:{kind}"), None)
        for key, value in more.items():
            setattr(style.font, key, value)
        return style

    styles = made.styles
    font(styles["Normal"], _TEXT).paragraph_format.space_after = Pt(6)
    for level in range(1, _LEVELS + 1):
        head = font(styles[f"Heading {level}"], _HEADS[min(level, len(_HEADS)) - 1], bold=True)
        head.font.color.rgb = RGBColor(0, 0, 0)
        head.paragraph_format.space_before, head.paragraph_format.space_after = Pt(14), Pt(4)
    title = font(styles["Title"], 18, bold=True)
    title.font.color.rgb = RGBColor(0, 0, 0)
    title.paragraph_format.space_after = Pt(8)
    borders = title.element.pPr.find(qn("w:pBdr"))
    if borders is not None:
        title.element.pPr.remove(borders)
    below = font(styles["Subtitle"], 12)
    below.font.color.rgb = RGBColor(0x40, 0x40, 0x40)
    caption = font(styles["Caption"], 9, bold=False, italic=False)
    caption.font.color.rgb = RGBColor(0, 0, 0)
    caption.paragraph_format.space_before, caption.paragraph_format.space_after = Pt(6), Pt(4)
    for name, points, mono in (("Table notes", _SMALL, False), ("Output", 8.0, True)):
        style = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = styles["Normal"]
        font(style, points, _MONO if mono else _FONT)
        style.paragraph_format.space_before = style.paragraph_format.space_after = Pt(2)


def _footer(section: Any, origin: str) -> None:
    """The origin of the report and the page number, which Word counts itself."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Pt

    line = section.footer.paragraphs[0]
    run = line.add_run(f"{xml_text(origin)} · page " if origin else "Page ")
    run.font.size = Pt(8)
    number = line.add_run()
    number.font.size = Pt(8)
    for kind, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        part = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            part.set(qn("w:fldCharType"), kind)
        else:
            part.text = text
        number._r.append(part)


def _add(made: Any, block: Block, wide: bool) -> None:
    if isinstance(block, Heading):
        made.add_paragraph(xml_text(block.text), style=f"Heading {min(block.level, _LEVELS)}")
    elif isinstance(block, Paragraph):
        _paragraph(made, block)
    elif isinstance(block, Listing):
        for item in block.items:
            write_linked(made.add_paragraph(style="List Bullet"), item)
    elif isinstance(block, Preformatted):
        for line in block.text.split("\n"):
            made.add_paragraph(xml_text(line), style="Output")
    elif isinstance(block, Figure):
        _figure(made, block, wide)
    elif isinstance(block, Caption):
        _caption(made, block)
    elif isinstance(block, Pointers):
        _pointers(made, block)
    else:
        _table(made, block)


def _paragraph(made: Any, block: Paragraph) -> None:
    line = made.add_paragraph(style="Table notes" if block.kind == "small" else None)
    line.add_run(xml_text(block.text)).bold = block.kind == "strong" or None


def _caption(made: Any, caption: Caption) -> None:
    """Number and title; Word counts the numbers itself, and the bookmark is what texts refer to."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    line = made.add_paragraph(style="Caption")
    mark = str(sum(1 for _ in made.element.body.iter(qn("w:bookmarkStart"))) + 1)
    begin, end = OxmlElement("w:bookmarkStart"), OxmlElement("w:bookmarkEnd")
    begin.set(qn("w:id"), mark)
    begin.set(qn("w:name"), _bookmark(caption))
    end.set(qn("w:id"), mark)
    line._p.append(begin)
    line.add_run(f"{caption.kind} ").bold = True
    _field(line, f"SEQ {caption.kind} \\* ARABIC", str(caption.number)).bold = True
    line._p.append(end)
    line.add_run("." if caption.text else "").bold = True
    line.add_run(f" {xml_text(caption.text)}" if caption.text else "")


def _bookmark(caption: Caption) -> str:
    return f"_Ref_{caption.kind}_{caption.number}"


def _pointers(made: Any, pointers: Pointers) -> None:
    line = made.add_paragraph("Figures and tables: ", style="Table notes")
    for place, caption in enumerate(pointers.captions):
        _field(line, f"REF {_bookmark(caption)} \\h", caption.label)
        line.add_run(f" ({xml_text(caption.text)}){'.' if place == len(pointers.captions) - 1 else '; '}")


def _field(line: Any, code: str, shown: str) -> Any:
    """A field of Word with what it shows until Word counts anew; the run of what is shown."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    run = None
    for kind, text in (("begin", ""), ("", f" {code} "), ("separate", ""), ("shown", shown), ("end", "")):
        part = line.add_run(text if kind == "shown" else "")
        if kind == "shown":
            run = part
        elif kind:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
            part._r.append(element)
        else:
            element = OxmlElement("w:instrText")
            element.set(qn("xml:space"), "preserve")
            element.text = text
            part._r.append(element)
    return run


def _table(made: Any, table: Table) -> None:
    from docx.shared import Pt

    if table.title:
        line = made.add_paragraph()
        line.add_run(xml_text(table.title)).bold = True
        line.paragraph_format.keep_with_next = True
        line.paragraph_format.space_before, line.paragraph_format.space_after = Pt(6), Pt(4)
    fill(made, table)
    for note in table.foot:
        made.add_paragraph(xml_text(note), style="Table notes")
    # Word joins adjacent tables.
    made.add_paragraph().paragraph_format.space_after = Pt(0)


def _figure(made: Any, figure: Figure, wide: bool) -> None:
    from docx.shared import Cm

    width, _ = figure.size
    image = figure.image if figure.suffix != "svg" else bitmap_of(figure)
    if image is None:
        made.add_paragraph(xml_text(figure.alt), style="Table notes")
        return
    shown = made.add_picture(BytesIO(image), width=Cm(width * scale_of(figure, wide=wide)))
    shown._inline.docPr.set("descr", xml_text(figure.alt))
    made.paragraphs[-1].paragraph_format.keep_with_next = True
