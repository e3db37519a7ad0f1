"""Pages: one shell with its own style and a policy that lets nothing be loaded and no script run."""

from __future__ import annotations

import base64
import hashlib

from metanet.base.untrusted import html_text

#: No script, no request: a report is a document. What a CSV smuggles past the escaping still cannot run.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --wash: #f6f8fa; --link: #0b5394;
  --paper: #fff; --bad: #fff5ee; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 .75rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
a { color: var(--link); }
nav, .files { color: var(--soft); font-size: .9rem; }
.files a { margin-right: .9rem; white-space: nowrap; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; max-width: 28rem; }
thead th { background: var(--wash); border-bottom: 2px solid var(--line); }
.metanet, .scroll { overflow-x: auto; }
.metanet-notes { margin: .3rem 0; padding-left: 1.2rem; }
small { color: var(--soft); }
img, svg { max-width: 100%; height: auto; }
pre { background: var(--wash); border: 1px solid var(--line);
  padding: .8rem; overflow-x: auto; font-size: .8rem; white-space: pre-wrap; }
td.num, th.num { text-align: right; white-space: nowrap; }
.failed { border-left: 4px solid #d55e00; padding: .4rem .9rem; background: var(--bad); }
.anchor-link, .jp-InputPrompt, .jp-OutputPrompt { display: none; }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } nav, .files { display: none; }
  h1, h2, h3, .gt_title { break-after: avoid; } tr, img, svg { break-inside: avoid; } thead { display: table-header-group; }
  tfoot { display: table-row-group; }
  .metanet, .metanet-table, .scroll { overflow: visible !important; } a { color: inherit; text-decoration: none; } }
"""


def page(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """A whole HTML document; `title` is escaped, `body` is HTML already.

    A `script` is a fixed text, and the policy lets nothing run but exactly it.
    """
    policy = _POLICY
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{html_text(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n'
        f"<body>\n{body}\n{f'<script>{script}</script>' if script else ''}</body>\n</html>\n"
    )


def file_links(names: list[str]) -> str:
    """Links to files beside the page."""
    links = " ".join(f'<a href="{html_text(name)}">{html_text(name)}</a>' for name in names)
    return f'<p class="files">Files: {links}</p>' if names else ""
