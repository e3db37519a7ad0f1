"""Which treatment a group label of a review means: plain names, "Favours X", and generic labels that the contrast resolves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from metanet.base.untrusted import listing, visible
from metanet.reviews.importers.contrasts import INACTIVE, Contrast, is_amount, one_line, read_contrast, same
from metanet.reviews.importers.extracted_counts import joined

_FAVOURS = re.compile(r"(?:favou?rs?|in favou?r of)\s+(?:the\s+)?(?P<what>\S.*)", re.IGNORECASE)
#: Labels that name a role and not a treatment.
_GENERIC = re.compile(
    r"(?:the\s+)?(?:(?:1st|2nd|3rd|first|second|third|experimental|active|test|new|other|study)\s+)*"
    r"(?:experimental|interventions?|treatments?|comparators?|comparisons?|controls?|groups?|arms?|therapy|drugs?|active|cases?|"
    r"ctrl|treated|untreated|exposed|unexposed|reference|index)"
    r"(?:\s+(?:group|arm))?(?:\s+\(?[1-9]\)?)?|(?:group|arm|cohort|regimen)\s+(?:[a-d]|i{1,3}|[1-9])",
    re.IGNORECASE,
)
#: The same in other languages, whole or at the beginning: "Kontrolle", "Kontrollgruppe", "Groupe contrôle", "対照群".
_FOREIGN = re.compile(
    r"(?:(?:grupp[eo]?|groupe?|grupo|groep|grupa|группа)\s+(?:de\s+|di\s+|du\s+)?)?"
    r"(?:experiment\w*|exp[eé]rimental\w*|sperimental\w*|intervent?[a-zóõ]*|interven[çc][aã]o|intervenci[oó]n|intervenční|"
    r"behandlun?g\w*|behandeling\w*|verum\w*|traitements?|tratt?amient\w*|tratament\w*|trattament\w*|testgrupp\w*|"
    r"kontroll?\w*|contr[oôó]le?s?|controllo|controles?|controlegroep|vergleichs?\w*|comparateurs?|comparador\w*|"
    r"контрол\w*|эксперимент\w*|основная|лечени\w*|"
    r"对照组?|對照組?|试验组?|試驗組?|实验组?|治疗组?|治療群?|干预组?|観察组|观察组?|対照群?|介入群?|実験群?|대조군|실험군|중재군|치료군)"
    r"(?:\s*(?:gruppe?n?|groupe?|grupo|группа|[1-9]|[a-d]))?",
    re.IGNORECASE,
)
#: Names that say nothing even as a side of a contrast: "Intervention versus control".
_ROLE = re.compile(r"(?:experimental|interventions?|treatments?|comparators?|comparisons?|controls?|groups?|arms?)\b.*", re.IGNORECASE)
#: Labels that compare: the higher dose of one comparison is the lower dose of the next.
_RELATIVE = re.compile(r"(?P<word>higher|longer|larger|more|later|lower|shorter|smaller|less|earlier)\b.*", re.IGNORECASE)
_GREATER = ("higher", "longer", "larger", "more", "later")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)?")


def plain_text(text: str) -> str:
    """A text of a foreign file on one line, with HTML entities as the characters that they stand for."""
    return one_line(text)


def treatment(label: str) -> str:
    """A label as the name of a treatment: "Favours placebo" is placebo."""
    text = plain_text(label)
    found = _FAVOURS.fullmatch(text)
    name = found["what"] if found else text
    # RevMan writes "Favours [control]" before anybody names the group.
    return name[1:-1].strip() or name if name.startswith("[") and name.endswith("]") else name


def is_generic(label: str) -> bool:
    """Whether a label names a role ("Intervention", "Higher dose") and not a treatment."""
    name = label.strip(" []().,:")
    return any(form.fullmatch(name) for form in (_GENERIC, _FOREIGN, _RELATIVE))


def is_vague(label: str) -> bool:
    """Whether a label can mean another treatment in another comparison: a role, or an amount alone ("5 mg", "High dose", "Early")."""
    return is_generic(label) or is_amount(label)


def contrast(text: str) -> tuple[str, str] | None:
    """The two treatments of "A versus B", or None where the text is no contrast of two treatments."""
    found = read_contrast(text)
    return None if found is None else found.sides


def folded(name: str) -> str:
    """A name without case and spaces."""
    return same(name)


def _singular(name: str) -> str:
    """A name without case, spaces, hyphens and the endings of a plural, for likeness alone."""
    return " ".join(word.removesuffix("s").removesuffix("e") for word in re.split(r"[\W_]+", name.casefold()) if word)


@dataclass(frozen=True)
class Context:
    """A name that may tell what generic labels mean: that of a "subgroup", an "analysis" or a "comparison"."""

    text: str
    of: str = "comparison"


def resolved(labels: tuple[str, str], contexts: Iterable[Context]) -> tuple[tuple[str, str], tuple[bool, bool]]:
    """Two labels as treatments, and which of them are: a generic one is taken from the first of `contexts` that is a contrast."""
    names = (treatment(labels[0]), treatment(labels[1]))
    done = (not is_generic(names[0]), not is_generic(names[1]))
    given = list(contexts)
    whole = next((found for each in given if each.of == "comparison" and (found := read_contrast(each.text)) is not None), None)
    for each in given:
        if all(done):
            break
        found = read_contrast(each.text)
        if found is None or (each.of == "analysis" and whole is not None and not _agree(found, whole)):
            continue
        told = _told(names, done, found, each)
        names = (told[0] or names[0], told[1] or names[1])
        done = (done[0] or told[0] is not None, done[1] or told[1] is not None)
    return names, done


def _agree(part: Contrast, whole: Contrast) -> bool:
    """Whether a contrast may be that of a comparison: a treatment of both is on the same side of each."""
    return any(alike(one, other) for one, other in zip(part.sides, whole.sides, strict=True)) and not any(
        alike(one, other) for one, other in zip(part.sides, reversed(whole.sides), strict=True)
    )


def _told(names: tuple[str, str], done: tuple[bool, bool], found: Contrast, context: Context) -> tuple[str | None, str | None]:
    """What a contrast tells of the two groups; None for a group that it does not tell, or that is told already."""
    pair = found.sides
    if context.of != "comparison" and found.setting:
        # Of a subgroup or an analysis: what holds for both treatments stays with both.
        pair = (f"{pair[0]} {found.setting}", f"{pair[1]} {found.setting}")
    roles = _ROLE.fullmatch(pair[0]) is not None, _ROLE.fullmatch(pair[1]) is not None
    if all(roles):
        return None, None
    if any(_RELATIVE.fullmatch(name) for name in names):
        return _ordered(*names, pair) or (None, None)
    if not any(done):
        if roles[0] or (INACTIVE.fullmatch(pair[0]) and not INACTIVE.fullmatch(pair[1])):
            # Nobody knows which of the groups it is.
            return None, None
        return pair[0], None if roles[1] else pair[1]
    place = 1 if done[0] else 0
    named = names[1 - place]
    other = _beside(named, place, pair, context)
    if other is None or _ROLE.fullmatch(other) or folded(other) == folded(named):
        return None, None
    return (other, None) if place == 0 else (None, other)


def _beside(named: str, place: int, pair: tuple[str, str], context: Context) -> str | None:
    """The other side of a contrast of a treatment that is named; None where it is not certain which side that treatment is."""
    near = [folded(named) == folded(name) for name in pair]
    if not any(near):
        near = [alike(named, name) for name in pair]
    if near in ([True, False], [False, True]):
        other = pair[near.index(False)]
        # In the other order only a control group without a treatment is certain.
        return other if near.index(True) == 1 - place or (place == 1 and INACTIVE.fullmatch(other)) else None
    # Such a control group is told by the comparison, however that calls the treatment.
    return pair[1] if not any(near) and context.of == "comparison" and place == 1 and INACTIVE.fullmatch(pair[1]) else None


def alike(one: str, other: str) -> bool:
    """Whether two names may be one treatment: the words of one are among those of the other, or are its initials."""
    words = [set(_singular(name).split()) - {"", "the", "and", "or"} for name in (one, other)]
    if not all(words):
        return folded(one) == folded(other)
    if words[0] <= words[1] or words[1] <= words[0]:
        return True
    short, long = sorted((one, other), key=len)
    return (
        len(short) > 1
        and short.isupper()
        and short.casefold() == "".join(word[0] for word in re.split(r"[\W_]+", long.casefold()) if word)
    )


def _ordered(first: str, second: str, pair: tuple[str, str]) -> tuple[str, str] | None:
    """The two treatments by their figures, where the labels compare: the higher dose is the one with the greater number."""
    words = [found["word"].casefold() if (found := _RELATIVE.fullmatch(label)) else "" for label in (first, second)]
    figures = [[float(figure.replace(",", ".")) for figure in _FIGURE.findall(name)] for name in pair]
    if len(figures[0]) != 1 or len(figures[1]) != 1 or figures[0] == figures[1]:
        return None
    greater, smaller = pair if figures[0] > figures[1] else (pair[1], pair[0])
    upward = words[0] in _GREATER if words[0] else words[1] not in _GREATER
    if all(words) and (words[0] in _GREATER) == (words[1] in _GREATER):
        return None
    return (greater, smaller) if upward else (smaller, greater)


@dataclass
class Names:
    """One spelling for every treatment of an import: the first, or that of the review; plurals are only listed."""

    known: dict[str, str] = field(default_factory=dict)
    variants: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    #: Names of the review and of what is imported, which the notes are about.
    used: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.used.update(dict.fromkeys(self.known.values()))

    def __call__(self, name: str, *, used: bool = True) -> str:
        """The spelling to use; `used` says whether the name is imported or only in the file."""
        kept = self.known.setdefault(folded(name), name)
        if used:
            self.used[kept] = None
            if kept != name:
                self.variants[kept][name] = None
        return kept

    def notes(self) -> list[str]:
        """The spellings that became one, and the names that differ by a plural alone, with the rename that joins them."""
        notes = []
        for kept, names in self.variants.items():
            given = listing((repr(visible(name)) for name in names), 6)
            notes.append(
                f"{given} {'are' if len(names) > 1 else 'is'} written {visible(kept)!r}: the names differ only by case or spaces."
            )
        alike: dict[str, list[str]] = defaultdict(list)
        for name in self.used:
            alike[_singular(name)].append(name)
        for first, *others in alike.values():
            notes += [
                f"{visible(first)!r} and {visible(other)!r} may be one treatment. If so, join them with {joined(other, first)}."
                for other in others
            ]
        return notes
