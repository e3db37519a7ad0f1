"""Contrasts in the names of a review ("Alfa versus placebo"), and what in them is no treatment.

Names of analyses and subgroups contrast many things: treatments, patients ("Adults versus children"), studies ("Low versus high risk
of bias") and times. A contrast is read only where both sides can be treatments; what is in doubt is left to the reader.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SPACES = re.compile(r"\s+")
#: "v" is a Roman numeral as a capital, and a version before a number.
_VERSUS = re.compile(r"\s+(?:(?i:vs\.?|versus|compared\s+(?:with|to)|against)|v\.?(?!\s*\d))\s+")
_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
#: What a name ends at: "placebo: adults", "placebo - sensitivity analysis", "placebo, Outcome 1 Pain", "placebo. Randomised trials".
_END = re.compile(r"[:;]|\s[-–—]\s|,\s+(?i:outcome)\b|(?<=[a-z]{4})\.\s*(?=[A-Z(_])")
#: What stands before the first treatment: "Main analysis: alfa", "Response - alfa", "Comparison 1 alfa".
_BEFORE = re.compile(r".*(?:[:;]|\s[-–—]\s)|comparison\s+\d+[a-z]?\.?\s", re.IGNORECASE)
#: Patients, place or time behind the second treatment, which belong to both.
_SETTING = re.compile(
    r"\s(?:in(?!\s+(?:combination|addition|conjunction|association|sequence)\b)|among|for(?!\s+\d)|during|within|after|"
    r"at(?=\s+(?:\d|up\s+to|the\s+end|end|discharge|follow|least|any|one|two|three|six|twelve))|"
    r"(?:sub-?grouped|stratified|divided|grouped|split)\s+(?:by|according\s+to)|"
    r"by(?=\s+(?:allocation|risk|quality|age|sex|gender|type|time|severity|dose|duration|study|outcome|funding|setting|population|"
    r"baseline|follow|blinding|country|region|year|publication)))\s.*",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+", re.UNICODE)
_EDGES = re.compile(r"(?:with|without|in|of|for|at|by|from|to|or|and|than)", re.IGNORECASE)
_FILLING = _set("a an the of in on at to for from by with without and or per than as is are be under over up no not non")
#: Units and words of amount, time and route: they describe a treatment and name none.
_AMOUNTS = _set(
    """
    mg g kg mcg µg μg ug ng ml dl l iu ui u mmol meq ppm percent x h hr hrs hour hours min minute minutes d day days wk week
    weeks month months year years yr yrs dose doses dosage dosing dosed amount level levels target concentration term
    duration course courses regimen regimens schedule intensity intensive frequency frequent times time daily weekly monthly
    nightly once twice single multiple repeated double triple half full partial continuous intermittent cyclic oral orally
    intravenous intravenously iv im sc intramuscular subcutaneous topical systemic local route high higher highest low lower
    lowest medium moderate intermediate standard long longer short shorter early earlier late later delayed immediate more
    less fewer greater larger smaller large small fast slow quick rapid first second third fourth last initial final morning
    evening night before after yes type small molecule molecules maintenance loading fixed variable flexible titrated adjusted
    weight based
    """
)
#: Patients, places and ways to run or judge a study; as a whole side of a contrast they are no treatment.
_OTHERS = _set(
    """
    adult adults child children infant infants neonate neonates newborn newborns baby babies toddlers adolescent adolescents
    teenager teenagers men man women woman male males female females boys girls elderly older younger young old new aged age
    ages geriatric paediatric pediatric preterm term premature pregnant nulliparous multiparous parous primiparous singleton
    twin twins primary secondary rural urban inpatient inpatients outpatient outpatients hospital hospitals hospitalised
    hospitalized community home country countries region regions setting settings income europe asia africa america american
    european asian african western eastern northern southern mild severe acute chronic severity stage grade mixed naive
    naïve smokers nonsmokers smoker obese overweight healthy sick all any other others overall total only included including
    excluded excluding exclusion adequate inadequate unclear adequately inadequately clear case cases per protocol available
    parallel crossover cross cluster clusters individually individual randomly funded funding sponsored sponsor industry
    commercial published unpublished complete incomplete premenopausal postmenopausal diabetic nondiabetic
    """
)
#: Words that are only used of patients, studies and analyses; one of them is enough.
_TELLING = _set(
    """
    study studies trial trials bias biased blind blinded unblinded blinding masked unmasked concealment concealed randomised
    randomized randomisation randomization quasi baseline participants patients subjects populations population people
    persons subgroup subgroups sensitivity analysis analyses imputation imputed itt mitt pp intention disorder disorders disease
    diseases syndrome seropositive seronegative prevalence incidence mortality pregnancies quality evidence estimate
    estimates
    """
)
#: Treatments that are hardly ever the first of a contrast; where one is, the order says nothing about the groups.
INACTIVE = re.compile(
    r"(?:no (?:treatment|intervention|drug|therapy)|placebo|sham|control|usual care|standard care|nothing|observation|waiting list)"
    r"\b.*",
    re.IGNORECASE,
)
#: Sides that are plainly treatments although a word of them is above.
_TREATED = re.compile(
    r"(?:no|usual|standard|routine|conventional)\s+(?:treatment|intervention|care|drug|therapy|medication|prophylaxis)\b.*",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    """A text of a foreign file on one line, with HTML entities as the characters that they stand for."""
    return _SPACES.sub(" ", html.unescape(text).replace("\u00a0", " ")).strip()


def same(name: str) -> str:
    """A name without case and spaces, by which spellings are compared."""
    return "".join(name.casefold().split())


@dataclass(frozen=True)
class Contrast:
    """Two treatments that a name contrasts.

    Attributes
    ----------
    first, second
        The treatments, in the order of the name.
    before
        What stands in front of them: "Cough" in "Cough: alfa versus beta".
    setting
        Patients, place or time that belong to both: "in adults" in "Alfa versus beta in adults".
    """

    first: str
    second: str
    before: str = ""
    setting: str = ""

    @property
    def sides(self) -> tuple[str, str]:
        """The two treatments."""
        return self.first, self.second


def read_contrast(text: str) -> Contrast | None:
    """The contrast of two treatments in a name; None where it has none, or one of something else."""
    parts = _VERSUS.split(one_line(text))
    if len(parts) != 2 or any(part.count(left) != part.count(right) for part in parts for left, right in ("()", "[]")):
        return None
    first, second = (_without_remarks(part) for part in parts)
    before = ""
    if (found := _BEFORE.match(_hidden(first))) is not None:
        before, first = first[: found.end()].strip(" ,.;:-–—"), first[found.end() :]
    shown = _hidden(second)
    if (end := _END.search(shown)) is not None:
        second, shown = second[: end.start()], shown[: end.start()]
    setting = ""
    if (behind := _SETTING.search(shown)) is not None and behind.start() > 0:
        second, setting = second[: behind.start()], second[behind.start() :].strip(" ,.;")
    first, second = first.strip(" ,.;"), second.strip(" ,.;")
    if not first or not second or same(first) == same(second) or not (_can_be_treatment(first) and _can_be_treatment(second)):
        return None
    if any(
        is_amount(one) and not is_amount(other) and not INACTIVE.fullmatch(other) for one, other in ((first, second), (second, first))
    ):
        # "High versus low-dose fish oil", "Pregnancy 500 mg versus 80 mg": one side is a part of a name.
        return None
    if same(second).removeprefix("non").lstrip("-") == same(first) or same(first).removeprefix("non").lstrip("-") == same(second):
        return None
    return Contrast(first, second, before, setting)


def has_versus(text: str) -> bool:
    """Whether a name contrasts anything at all."""
    return len(_VERSUS.split(one_line(text))) > 1


def _hidden(text: str) -> str:
    """A text of the same length whose brackets are blank, so that signs inside of them do not count."""
    return _BRACKETS.sub(lambda found: "_" * len(found[0]), text)


def _without_remarks(part: str) -> str:
    """A side without brackets that say nothing of the treatment: "(adults)", "(6 months)", "(sensitivity analysis)"."""
    return _BRACKETS.sub(lambda found: "" if _is_remark(found[1]) else found[0], part)


def _is_remark(text: str) -> bool:
    words = _words(text)
    if not words:
        return True
    doses = any(word in _UNITS for word in words)
    return not doses and all(word in _AMOUNTS or word in _OTHERS or word in _TELLING or word in _ROLES for word in words)


_UNITS = _set("mg g kg mcg µg μg ug ng ml l iu u mmol meq ppm")
_ROLES = _set("experimental intervention treatment comparator comparison control group arm therapy")


def _words(text: str) -> list[str]:
    return [word for word in _WORDS.findall(text.casefold()) if word not in _FILLING]


def is_amount(name: str) -> bool:
    """Whether a name is an amount, a time, a route or a letter alone ("5 mg", "High dose", "Early", "B"), without its drug."""
    if len(name.strip()) == 1 or (words := _words(name)) == []:
        return len(name.strip()) == 1 or re.search(r"\d", name) is not None
    return _TREATED.fullmatch(name) is None and all(word in _AMOUNTS for word in words)


def _can_be_treatment(side: str) -> bool:
    words = _words(_BRACKETS.sub("", side))
    if not words and not re.search(r"\d", side):
        # Another script, or signs alone.
        return any(character.isalpha() for character in side)
    edges = side.casefold().split()
    if _EDGES.fullmatch(edges[-1]) or edges[0] in ("with", "without", "than"):
        return False
    if any(word in _TELLING for word in words) or (words and words[-1] in ("positive", "negative")):
        return False
    if _TREATED.fullmatch(side):
        return True
    if words and all(word in _AMOUNTS or word in _OTHERS for word in words) and any(word in _OTHERS for word in words):
        return False
    # "High" of "High versus low dose": an adjective alone; "5 mg" and "Early" may be.
    return bool(re.search(r"\d", side)) or not words or not all(word in _BARE for word in words)


_BARE = _set(
    "high higher highest low lower lowest medium moderate intermediate more less fewer greater larger smaller large small yes "
    "before after single double long longer short shorter"
)
