"""Notebooks and HTML as documents: what is read, and that it is what was shown."""

import base64
import io

import nbformat
import pytest
from hypothesis import given, settings, strategies as st

import metanet as mn
from metanet.base.cards import card
from metanet.reporting.documents.blocks import Caption, Figure, Heading, Listing, Paragraph, Preformatted
from metanet.reporting.documents.document import document_of
from metanet.reporting.documents.html import blocks_of
from metanet.reporting.documents.layout import scale_of, sections
from metanet.writing.table.table import Column, Table, made, text_cell


def png(width=300, height=200, dpi=150):
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(out, "PNG", dpi=(dpi, dpi))
    return out.getvalue()


def book_of(*cells):
    book = nbformat.v4.new_notebook()
    for kind, content in cells:
        if kind == "markdown":
            book.cells.append(nbformat.v4.new_markdown_cell(content))
        else:
            book.cells.append(nbformat.v4.new_code_cell("secret_code()", outputs=content))
    return book


def shown(**data):
    return [nbformat.v4.new_output("display_data", {k.replace("_", "/", 1): v for k, v in data.items()})]


def test_a_card_is_title_sentence_numbers_notes_and_method():
    html = card("Title <b>", "A sentence.", pairs=[("Rate", "1 %")], notes=["Beware."], method="By a model.")
    title, sentence, table, notes, method = blocks_of(html)
    assert title == Paragraph("Title <b>", "strong")
    assert sentence == Paragraph("A sentence.")
    assert table.texts() == [["Rate", "1 %"]]
    assert notes == Listing(("Beware.",), beware=True)
    assert method == Paragraph("By a model.", "small")


def test_a_table_comes_back_as_it_was_written():
    evidence = mn.load_evidence()
    rates = evidence.rates("objective_response", modality="TARE")
    table = mn.characteristics_table(rates)
    (found,) = blocks_of(table.to_html())
    assert found.title == table.title
    assert found.labels == table.labels
    assert found.foot == table.foot
    assert found.texts() == [[" ".join(text.split()) for text in row] for row in table.texts()]
    assert len(found.closing) == len(table.closing) == 1
    assert [c.kind != "text" for c in found.columns] == [c.kind != "text" for c in table.columns]


def test_groups_of_a_table_come_back():
    columns = [Column("Name", ("name",)), Column("Word", ("word",))]
    rows = [[text_cell("a"), text_cell("b")], [text_cell("c"), text_cell("d")]]
    (found,) = blocks_of(made("T", "none", columns, rows, groups=["One", "Two"]).to_html())
    assert found.groups == ("One", "Two")
    assert found.texts() == [["a", "b"], ["c", "d"]]


def test_numbers_are_without_the_blanks_that_align_them():
    fits = mn.pool(events=[1, 20, 3], total=[100, 100, 100])
    (found,) = [b for b in blocks_of(mn.leave_one_out(fits)._repr_html_()) if isinstance(b, Table)]
    assert all("\u2007" not in text and "\u00a0" not in text for row in found.texts() for text in row)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>a<br>b</p>", [Paragraph("a b")]),
        ("loose <b>bold</b> text", [Paragraph("loose bold text")]),
        ("<div><style>p{}</style><script>alert(1)</script></div>", []),
        ("<ul><li>one</li><li>two <i>x</i></li></ul>", [Listing(("one", "two x"))]),
        ("<pre>a\n  b</pre>", [Preformatted("a\n  b")]),
        ("<p>unclosed <b>bold", [Paragraph("unclosed bold")]),
        ("</p></div>stray", [Paragraph("stray")]),
        ("<table></table>", []),
    ],
)
def test_other_html_is_read(html, expected):
    assert blocks_of(html) == expected


def test_spans_of_rows_and_columns_keep_cells_under_their_headings():
    html = (
        "<table><thead><tr><th rowspan=2>A</th><th colspan=2>B</th></tr><tr><th>b1</th><th>b2</th></tr></thead>"
        "<tbody><tr><td rowspan=2>x</td><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></tbody></table>"
    )
    (table,) = blocks_of(html)
    assert table.labels == ["A", "B: b1", "B: b2"]
    assert table.texts() == [["x", "1", "2"], ["", "3", "4"]]


def test_a_notebook_is_read_without_its_code():
    image = png()
    book = book_of(
        ("code", shown(text_html="<div class='metanet'><h1>Heading</h1><p>First.</p></div>")),
        ("markdown", "## Part\n\nWords with *stress*.\n\n### Below"),
        ("code", shown(image_png=base64.b64encode(image).decode(), text_plain="<Figure: What it shows.>")),
        ("code", [nbformat.v4.new_output("stream", name="stdout", text="\x1b[31mred\x1b[0m\n")]),
        ("code", [nbformat.v4.new_output("error", ename="E", evalue="v", traceback=["a", "b"])]),
    )
    document = document_of(book, "Heading (variant)", "origin")
    assert (document.title, document.below, document.origin) == ("Heading", "Heading (variant)", "origin")
    assert document.blocks == (
        Paragraph("First."),
        Heading(1, "Part"),
        Paragraph("Words with stress."),
        Heading(2, "Below"),
        Figure(image, "What it shows.", "Below"),
        Caption("Figure", 1, "Below"),
        Preformatted("red"),
        Preformatted("a\nb"),
    )


def test_a_figure_that_does_not_describe_itself_is_called_by_its_heading():
    book = book_of(("markdown", "## Part"), ("code", shown(image_png=base64.b64encode(png()).decode())))
    assert document_of(book, "T").figures[0].alt == "Figure: Part"


def test_the_size_of_a_figure_is_that_of_the_drawing():
    assert Figure(png(300, 150, 150), "").size == pytest.approx((5.08, 2.54), rel=1e-3)
    wide = Figure(png(6000, 1500, 150), "")
    assert scale_of(wide, wide=True) * wide.size[0] == pytest.approx(25.7)


def test_headings_and_lines_before_a_wide_table_lie_with_it():
    columns = [Column(f"c{i}", (f"c{i}",)) for i in range(3)]
    table = made("wide", "none", columns, [[text_cell("x")] * 3])
    book = book_of(("markdown", "Text.\n\n# One\n\nLead.\n"), ("code", []))
    document = document_of(book, "T")
    blocks = (Paragraph("far " * 200), *document.blocks, table, Paragraph("small", "small"))
    from dataclasses import replace

    found = sections(replace(document, blocks=blocks), lambda t: True)
    assert [part.wide for part in found] == [False, True, False]
    assert found[1].blocks[-1] is table


_TAGS = st.sampled_from(
    [
        "table",
        "tr",
        "td",
        "th",
        "thead",
        "tbody",
        "tfoot",
        "div",
        "p",
        "ul",
        "li",
        "b",
        "h1",
        "h4",
        "pre",
        "br",
        "small",
        "caption",
        "style",
    ]
)
_ATTRIBUTES = st.sampled_from(["", " rowspan=3", " colspan=2", " colspan=99999", " class=gt_title", ' style="border-top:1px"'])
_PIECES = st.one_of(st.builds("<{}{}>".format, _TAGS, _ATTRIBUTES), st.builds("</{}>".format, _TAGS), st.text(max_size=6))


@given(st.lists(_PIECES, max_size=40).map("".join))
@settings(max_examples=150, deadline=None)
def test_any_html_is_read_and_tables_are_whole(html):
    for block in blocks_of(html):
        if isinstance(block, Table):
            assert {len(row) for row in block.texts()} == {len(block.columns)}
            assert not block.groups or len(block.groups) == len(block.rows)
