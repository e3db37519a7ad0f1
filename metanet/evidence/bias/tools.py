"""The registry of tools for the risk of bias: domains, levels and the rule for the overall judgement, from tools.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from metanet.base.errors import check_choice, nearest
from metanet.base.untrusted import listing, visible

#: The domain of a judgement of the whole, which assessors state.
OVERALL = "overall"
#: What a level says, the best first; a silent one says nothing.
MARKS = ("good", "unsure", "bad", "worst", "silent")
RULES = ("worst", "sum", "stated")


@dataclass(frozen=True)
class Level:
    """A word that a judgement can be, what a reader calls it, and what it says (one of `MARKS`)."""

    key: str
    title: str
    mark: str


@dataclass(frozen=True)
class Domain:
    """A domain or an item of a tool; `most` are the points that it can reach, `control` marks items of studies with controls."""

    key: str
    title: str
    most: int | None = None
    control: bool = False


#: Levels that several tools have.
_SHARED = {
    "risk": (Level("low", "Low", "good"), Level("moderate", "Moderate", "unsure"), Level("high", "High", "bad")),
    "answers": (
        Level("yes", "Yes", "good"),
        Level("unclear", "Unclear", "unsure"),
        Level("no", "No", "bad"),
        Level("na", "Not applicable", "silent"),
    ),
}


@dataclass(frozen=True)
class Tool:
    """A tool for the risk of bias.

    Attributes
    ----------
    key, title, version
        Its word in tables, its name, and which version the domains are of.
    doi, url
        Its paper, or where it is published.
    rule
        How the overall judgement follows: "worst" domain, "sum" of points, or "stated" by the assessors only.
    levels, categories
        The levels of a domain and of an overall judgement, the best first.
    domains
        Its domains in order.
    any_domain
        Whether a review may name further domains.
    """

    key: str
    title: str
    version: str
    doi: str
    url: str
    rule: str
    levels: tuple[Level, ...]
    categories: tuple[Level, ...]
    domains: tuple[Domain, ...]
    any_domain: bool

    def has_domain(self, key: str) -> bool:
        """Whether a judgement can be of this domain."""
        return self.any_domain or key == OVERALL or any(domain.key == key for domain in self.domains)

    def title_of(self, key: str) -> str:
        """What a reader calls a domain."""
        if key == OVERALL:
            return "Overall"
        found = next((domain.title for domain in self.domains if domain.key == key), "")
        text = found or " ".join(visible(key).replace("_", " ").split())
        return text[:1].upper() + text[1:]

    def levels_of(self, domain: str) -> tuple[Level, ...]:
        """The levels that a judgement of a domain can be, the best first."""
        if domain == OVERALL:
            return self.categories
        most = next((each.most for each in self.domains if each.key == domain), None)
        return self.levels if most is None else tuple(level for level in self.levels if int(level.key) <= most)

    def level(self, key: str, domain: str = "") -> Level:
        """The level of a word of this tool."""
        return next(level for level in self.levels_of(domain) if level.key == key)

    def rank(self, key: str, domain: str = OVERALL) -> int | None:
        """The place of a level from the best on; None for a level that says nothing."""
        ranked = [level.key for level in self.levels_of(domain) if level.mark != "silent"]
        return ranked.index(key) if key in ranked else None

    def order(self, found: Iterable[str]) -> tuple[str, ...]:
        """Domains in the order of the tool, then those that a review named, as they come."""
        used = dict.fromkeys(found)
        own = [domain.key for domain in self.domains if domain.key in used]
        return (*own, *(key for key in used if key not in own and key != OVERALL))


def _levels(given: str | Sequence[Mapping[str, str]]) -> tuple[Level, ...]:
    return _SHARED[given] if isinstance(given, str) else tuple(Level(**each) for each in given)


def _tool(key: str, about: Mapping[str, Any]) -> Tool:
    levels = _levels(about["levels"])
    return Tool(
        key=key,
        title=about["title"],
        version=about["version"],
        doi=about.get("doi", ""),
        url=about.get("url", ""),
        rule=about["overall"],
        levels=levels,
        categories=_levels(about["categories"]) if "categories" in about else levels,
        domains=tuple(Domain(**each) for each in about["domains"]),
        any_domain=bool(about.get("any_domain", False)),
    )


@lru_cache(maxsize=1)
def tools() -> Mapping[str, Tool]:
    """Every tool by its word."""
    text = files(__package__).joinpath("tools.toml").read_text(encoding="utf-8")
    return MappingProxyType({key: _tool(key, about) for key, about in tomllib.loads(text).items()})


def tool_named(word: object, argument: str = "tool") -> Tool:
    """The tool of a word or of a title ("RoB 2"); an unknown one is an error that lists the known."""
    known = tools()
    if isinstance(word, str) and word not in known:
        same = [tool for tool in known.values() if tool.title.casefold() == " ".join(word.split()).casefold()]
        if same:
            return same[0]
    return known[check_choice(argument, word, tuple(known))]


def word_fault(word: str, domain: str | None, judged: str | None) -> tuple[str, str, str] | None:
    """The first of tool, domain and judgement that is not known: its column, what is wrong, and the fix with the known words."""
    tool = tools().get(word)
    if tool is None:
        return "tool", "is not a tool that is known", _fix(word, tools())
    if domain is None:
        return None
    if not tool.has_domain(domain):
        return "domain", f"is not a domain of {tool.title}", _fix(domain, [*(each.key for each in tool.domains), OVERALL])
    levels = [level.key for level in tool.levels_of(domain)]
    if judged is None or judged in levels:
        return None
    of = f"an overall judgement by {tool.title}" if domain == OVERALL else f"a level of {tool.title}"
    return "judgement", f"is not {of}", _fix(judged, levels)


def _fix(word: object, known: Iterable[str]) -> str:
    """The nearest of some words, and all of them."""
    every = list(known)
    near = nearest(word, every)
    return (f"Write {near!r} if that is meant; the" if near else "The") + f" words are {listing(every, 20)}"
