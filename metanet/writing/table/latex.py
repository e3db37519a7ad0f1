"""Tables in LaTeX: booktabs rules, everything escaped, the same under pdfLaTeX, XeLaTeX and LuaLaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metanet.base.untrusted import xml_text
from metanet.writing.table.column_widths import closing_lines, heading_lines, widths
from metanet.writing.table.html import spans

if TYPE_CHECKING:
    from metanet.writing.table.table import Table


#: The ten special characters; those that the old text fonts print as something else, or join to another sign; and signs of
#: our own that pdfLaTeX's text fonts lack. A bracket after a line end would be read as its argument.
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "'": r"{'}", "-": r"{-}", ",": r"{,}", "[": r"{[}", "]": r"{]}", "*": r"{*}", "?": r"{?}", "!": r"{!}",
    "–": r"\textendash{}", "—": r"\textemdash{}", "−": r"\ensuremath{-}", "±": r"\ensuremath{\pm}", "×": r"\ensuremath{\times}",
    "²": r"\textsuperscript{2}", "³": r"\textsuperscript{3}", "∞": r"\ensuremath{\infty}", "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}", "≈": r"\ensuremath{\approx}", "→": r"\ensuremath{\rightarrow}", "τ": r"\ensuremath{\tau}",
    "…": r"\ldots{}", "µ": r"\ensuremath{\mu}", "μ": r"\ensuremath{\mu}", "\u00a0": "~",
}  # fmt: skip
#: Single marks that need their braces only where the next character would join them.
_JOINING = frozenset("'-,?!")
#: Beyond so many rows a table breaks across pages.
_LONG = 25
#: Characters of small letters on a page that stands and on one that lies, and in the space between two columns.
_UPRIGHT, _SIDE, _AROUND = 104.0, 158.0, 2.0


def escape(text: object) -> str:
    """`text` for the inside of a LaTeX cell: every character is printed, none acts."""
    line = xml_text(text)
    out = []
    for place, character in enumerate(line):
        if character in _JOINING and line[place + 1 : place + 2] not in (*_JOINING, "`"):
            out.append(character)
        else:
            out.append(_ESCAPES.get(character, character))
    return "".join(out)


def latex_of(table: Table) -> str:
    """The table as LaTeX source for the inside of a document."""
    if not table.rows:
        lines = [escape(table.empty), *map(escape, table.foot)]
        return "".join(f"\\noindent {line}\\par\n" for line in lines)
    texts = table.texts()
    long = len(texts) > _LONG
    room, side = widths(table, _UPRIGHT, _SIDE, _AROUND)
    smaller = min(1.0, (_SIDE if side else _UPRIGHT) / sum(room))
    spec = "".join(
        _spec(c.kind, [row[i] for row in texts], room[i] * smaller, _SIDE if side else _UPRIGHT) for i, c in enumerate(table.columns)
    )
    head = _head(table, room)
    body = _body(table, texts)
    start = "% wide: best on a page that lies on its side\n" if side else ""
    notes = "".join(f"{escape(note)}\\par\n" for note in table.foot)
    small = "\\scriptsize\\setlength{\\tabcolsep}{4pt}\n"
    if long:
        again = f"\\toprule\n{head}\\midrule\n"
        return (
            f"{start}% needs \\usepackage{{booktabs,longtable,array}}\n{{{small}\\begin{{longtable}}{{@{{}}{spec}@{{}}}}\n"
            f"\\caption{{{escape(table.title)}}}\\\\\n{again}\\endfirsthead\n{again}\\endhead\n"
            f"\\bottomrule\n\\endlastfoot\n{body}\\end{{longtable}}\n{notes}}}\n"
        )
    return (
        f"{start}% needs \\usepackage{{booktabs,array}}\n\\begin{{table}}[htbp]\n\\centering{small}"
        f"\\caption{{{escape(table.title)}}}\n\\begin{{tabular}}{{@{{}}{spec}@{{}}}}\n\\toprule\n{head}\\midrule\n{body}"
        f"\\bottomrule\n\\end{{tabular}}\\par\\smallskip\n\\raggedright\n{notes}\\end{{table}}\n"
    )


def _spec(kind: str, texts: Sequence[str], characters: float, line: float) -> str:
    """The alignment of a column: numbers to the right, texts that do not fit on one line in a box that breaks them."""
    if kind != "text":
        return "r"
    if max(map(len, texts)) <= characters - _AROUND:
        return "l"
    return f">{{\\raggedright\\arraybackslash}}p{{{(characters - _AROUND) / line:.3f}\\linewidth}}"


def _closing(text: str) -> str:
    lines = [escape(line) for line in closing_lines(text)]
    return lines[0] if len(lines) == 1 else _stacked(lines, "r", "t")


def _stacked(lines: Sequence[str], side: str, line: str) -> str:
    """Lines below each other in one cell; the cell stands on the top or the bottom one."""
    broken = " \\\\ ".join(lines)
    return f"\\begin{{tabular}}[{line}]{{@{{}}{side}@{{}}}}{broken}\\end{{tabular}}"


def _head(table: Table, room: Sequence[float]) -> str:
    lines = ""
    above = spans(table)
    if above:
        cells, place, rules = [], 0, []
        for label, first, stop in above:
            cells += [""] * (first - place)
            cells.append(f"\\multicolumn{{{stop - first}}}{{c}}{{{escape(label)}}}")
            rules.append(f"\\cmidrule(lr){{{first + 1}-{stop}}}")
            place = stop
        cells += [""] * (len(table.columns) - place)
        lines = f"{' & '.join(cells)} \\\\\n{''.join(rules)}\n"
    labels = []
    for column, characters in zip(table.columns, room, strict=True):
        lines_of = [escape(line) for line in heading_lines(column.label, round(characters - _AROUND))]
        side = "l" if column.kind == "text" else "r"
        labels.append(_stacked(lines_of, side, "b") if len(lines_of) > 1 else lines_of[0])
    return f"{lines}{' & '.join(labels)} \\\\\n"


def _body(table: Table, texts: list[list[str]]) -> str:
    lines: list[str] = []
    group = None
    for place, row in enumerate(texts):
        if place < len(table.groups) and table.groups[place] != group:
            group = table.groups[place]
            gap = "\\addlinespace\n" if lines else ""
            lines.append(f"{gap}\\multicolumn{{{len(table.columns)}}}{{@{{}}l}}{{\\itshape {escape(group)}}} \\\\\n")
        if place == len(table.rows):
            lines.append("\\midrule\n")
        cells = map(escape, row)
        if place >= len(table.rows):
            cells = map(_closing, row)
        lines.append(f"{' & '.join(cells)} \\\\\n")
    return "".join(lines)
