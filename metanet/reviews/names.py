"""Names that become files, folders or keys: what is allowed, and what a free text becomes."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from metanet.base.errors import ArgumentError, shorten
from metanet.base.untrusted import formula_like, harmful, visible
from metanet.evidence.contract import OPTIONAL

#: Names that Windows keeps for devices, with any ending.
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in [*range(10), "¹", "²", "³"]}
)
#: Names of the other files of a folder of evidence.
_TAKEN = frozenset({"studies", "arms", "published_pooled", "datapackage", "readme", *OPTIONAL})
_OUTCOME = re.compile(r"[a-z][a-z0-9_]*")
_TYPED_OUTCOME = re.compile(r"[A-Za-z][A-Za-z0-9 _-]*")
_STUDY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
#: What stands behind a name and is no part of it: et al., the number of the reference, and marks of footnotes, as in Adam 2010 [12]*.
_AND_OTHERS = re.compile(r",?\s*\bet al\b\.?|\s*\[\d+(?:\s*[,–-]\s*\d+)*\](?=[*†‡§¶]*$)|\s*[*†‡§¶]+$", re.IGNORECASE)
_YEAR = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")
#: A name that begins with its year, such as 2010-Adam, and a number that tells two names apart, as in Adam 2010 (#12).
_YEAR_FIRST = re.compile(r"(?P<year>(?:19|20)[0-9]{2}(?P<letter>[a-z]?))[\s,_-]+(?P<author>[^\W\d].*)")
_NUMBER = re.compile(r"\s*\(#([0-9]+)\)$")
_YEAR_AT_END = re.compile(r"(?P<author>.*?)[\s,(]*(?P<year>(?:19|20)[0-9]{2})(?P<letter>[a-z]?)\)?")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*`$=;]')
_LONGEST = 60


def cut(name: str, longest: int) -> str:
    """A name of at most `longest` characters; a longer one ends in a digest of all of it, so that two alike stay two."""
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{name[: longest - 10].rstrip()}… [{digest}]"


def is_reserved(name: str) -> bool:
    """Whether Windows would open a device instead of a file of this name."""
    return name.split(".")[0].strip().casefold() in RESERVED


def text_fault(text: str, longest: int = 200) -> str | None:
    """Why a free text cannot be a title or a label; None if it can."""
    bad = next((character for character in text if harmful(character)), None)
    if bad is not None:
        return f"contains an invisible control character ({visible(bad)})"
    if not text.strip():
        return "is empty"
    return f"is longer than {longest} characters" if len(text) > longest else None


def typed_outcome(argument: str, given: str) -> str:
    """The file stem of a typed outcome; anything that is not plainly a name is refused."""
    name = re.sub(r"[ _-]+", "_", given.strip().lower()).strip("_")
    if not _TYPED_OUTCOME.fullmatch(given) or len(given) > _LONGEST or not _OUTCOME.fullmatch(name):
        meant = outcome_stem(given)
        hint = f" Fix: write {meant!r} if that is meant." if meant else " Fix: write a word such as 'response'."
        raise ArgumentError(
            f"{argument}={visible(shorten(given))!r} cannot be a file name. Allowed: letters, digits, spaces, hyphens and "
            f"underscores, beginning with a letter, at most {_LONGEST} characters.{hint}"
        )
    if (taken := outcome_fault(name)) is not None:
        raise ArgumentError(f"{argument}={visible(given)!r} {taken}. Fix: write another, such as '{name}_outcome'.")
    return name


def outcome_stem(label: str) -> str:
    """A free text as the name of an outcome: lower-case letters, digits and underscores; empty where none are left."""
    plain = unicodedata.normalize("NFKD", label.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_").lstrip("0123456789_")[:_LONGEST].rstrip("_")


def outcome_file(label: str) -> str:
    """The stem of the file of an outcome. A label of another script gets a digest of it, which is the same in the next import."""
    stem = outcome_stem(label)
    if not stem and any(character.isalpha() for character in label):
        return f"outcome_{hashlib.sha256(label.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return stem


def outcome_fault(name: str) -> str | None:
    """Why a well-formed name cannot be the name of an outcome."""
    if is_reserved(name):
        return "is a name that Windows reserves for a device"
    if name in _TAKEN:
        return "is the name of another file of the folder"
    return None if _OUTCOME.fullmatch(name) else "cannot be a file name"


def typed_modality(argument: str, given: str) -> str:
    """A typed treatment, which is printed, groups reports and names folders."""
    name = given.strip()
    fault = text_fault(name, _LONGEST)
    if fault is None and (found := _FORBIDDEN.search(name)) is not None:
        fault = f"contains {found[0]!r}"
    if fault is None and (name.startswith(".") or name.endswith(".")):
        fault = "begins or ends with a dot"
    if fault is None and formula_like(name):
        fault = "begins like a formula"
    if fault is None and is_reserved(name):
        fault = "is a name that Windows reserves for a device"
    if fault is not None:
        raise ArgumentError(f"{argument}={visible(shorten(given))!r} {fault}. Fix: write a word such as 'surgery' or 'Drug A'.")
    return name


def folder_fault(name: str) -> str | None:
    """Why a folder cannot have this name on every system."""
    if (fault := text_fault(name)) is not None:
        return fault
    if (found := re.search(r'[<>:"|?*]', name)) is not None:
        return f"contains {found[0]!r}, which Windows does not allow"
    if name.endswith((".", " ")):
        return "ends with a dot or a space"
    return "is a name that Windows reserves for a device" if is_reserved(name) else None


def study_id(name: str) -> str:
    """The key of a study from its name, `Müller-Lüd 2010a` -> `Muller-Lud2010a`.

    A name that begins with a digit gets "Study-" before it. One without Latin letters gets a key from a digest of the name, which
    is the same in the next import.
    """
    if _STUDY.fullmatch(name) and not is_reserved(name):
        return name
    short = _NUMBER.sub(r"-\1", _AND_OTHERS.sub("", name))
    if (first := _YEAR_FIRST.fullmatch(short)) is not None:
        short = f"{first['author']} {first['year']}"
    folded = unicodedata.normalize("NFKD", short.replace("ß", "ss").replace("ø", "o").replace("Ø", "O"))
    plain = re.sub(r"[^A-Za-z0-9_-]+", "", folded.encode("ascii", "ignore").decode()).strip("-_")[:50]
    if re.match(r"[A-Za-z]", plain) and not is_reserved(plain):
        return plain
    if re.match(r"[0-9]", plain) and all(letter.isascii() for letter in folded if letter.isalnum()):
        return f"Study-{plain}"
    return f"Study-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def year_of(text: str) -> str:
    """The year in a text such as `2005/07/01`, `2001a` or `Adam 2001 Study 309`; empty where it has none, or several."""
    years = set(_YEAR.findall(text))
    return years.pop() if len(years) == 1 else ""


def plain_author(text: str) -> str:
    """The author of a cell such as `Adam et al. [3]` or `Adam, 2011`."""
    plain = _AND_OTHERS.sub("", text).strip(" ,;")
    return author_and_year(plain)[0] or plain


def author_and_year(name: str) -> tuple[str, str]:
    """Author and year of a name such as `Smith 2010a` or `2010-Smith`; the author is empty where the name has no year at an end."""
    plain = _NUMBER.sub("", _AND_OTHERS.sub("", name).strip())
    if (first := _YEAR_FIRST.fullmatch(plain)) is not None and year_of(first["author"]) == "":
        return first["author"].strip(" ,;"), first["year"][:4]
    found = _YEAR_AT_END.fullmatch(plain)
    if found is None:
        return "", year_of(name)
    author = found["author"].strip(" ,;")
    return ("" if author.casefold() in {"study", "trial"} else author), found["year"]
