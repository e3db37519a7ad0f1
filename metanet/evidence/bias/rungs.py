"""The rungs of the risk of bias: all studies, then without those at a critical, a high and any risk."""

from __future__ import annotations

from collections.abc import Mapping

from metanet.base.untrusted import listing
from metanet.evidence.bias.tools import Tool

#: The rungs in order: word, and the marks of the levels that stay.
RUNGS: Mapping[str, tuple[str, ...]] = {
    "all": ("good", "unsure", "bad", "worst", "silent"),
    "without critical": ("good", "unsure", "bad"),
    "without high": ("good", "unsure"),
    "low only": ("good",),
}
#: The mark whose levels a rung is the first to leave out; a tool without such a level has no such rung.
_LEAVES = {"without critical": "worst", "without high": "bad", "low only": "unsure"}


def rungs_of(tool: Tool, domain: str) -> tuple[str, ...]:
    """The rungs of a domain of a tool."""
    has = {level.mark for level in tool.levels_of(domain)}
    return tuple(rung for rung in RUNGS if rung not in _LEAVES or _LEAVES[rung] in has)


def rung_title(rung: str, tool: Tool, domain: str) -> str:
    """The rung in the words of the tool: "Without critical or serious"."""
    levels = tool.levels_of(domain)
    if rung == "all":
        return "All studies"
    if rung == "low only":
        return f"{listing([level.title for level in levels if level.mark == 'good'])} only"
    gone = [level.title.lower() for level in levels if level.mark not in (*RUNGS[rung], "silent")]
    return f"Without {' or '.join(reversed(gone))}"
