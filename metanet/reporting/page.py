"""HTML pages: one template with its style and a policy that blocks all requests and scripts."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from metanet.base.untrusted import html_text

#: Reports have no scripts and make no requests; drawings bring their fonts with them. Anything from a CSV that escaped the escaping
#: still could not run.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; font-src data:; base-uri 'none'; form-action 'none'"

_STYLE = files("metanet.reporting").joinpath("page.css").read_text(encoding="utf-8")


def page(title: str, body: str, *, style: str = "", script: str = "", data: str = "", skip: str = "main") -> str:
    """A whole HTML document; `title` is escaped, `body` is HTML already.

    `style` and `script` are fixed texts; the policy lets no other script run. `data` is JSON that the script reads in the element
    "data". The first link on the page leads past what is the same on every page, to the element `skip`.
    """
    policy = _POLICY
    styles = "".join(f"\n{part}" for part in (_STYLE, style) if part)
    if script:
        script = f"\n{script}"
        digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
    # Inside a script only this character could end it.
    held = f'<script type="application/json" id="data">{data.replace("<", chr(92) + "u003c")}</script>\n' if data else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{html_text(title)}</title>\n<style>{styles}</style>\n</head>\n'
        f'<body>\n<a class="skip" href="#{skip}">Skip to the content</a>\n{body}\n{held}'
        f"{f'<script>{script}</script>' if script else ''}</body>\n</html>\n"
    )


def _note(name: str) -> str:
    """What a file is, where its name does not say it."""
    return " (R script that reproduces the numbers)" if name.split("/")[-1] == "check.R" else ""


def file_links(names: list[str]) -> str:
    """Links to files beside the page."""
    links = " ".join(f'<a href="{html_text(name)}">{html_text(name)}{_note(name)}</a>' for name in names)
    return f'<p class="files">Files: {links}</p>' if names else ""
