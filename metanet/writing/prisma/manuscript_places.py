"""Where the manuscript of a review answers the items of the PRISMA 2020 checklist."""

from __future__ import annotations

from collections.abc import Collection

from metanet.writing.prisma.checklist import Place

_QUESTION = Place("Methods: question and eligibility", "Question-and-eligibility")
_SEARCHED = Place("Methods: search and selection", "Search-and-selection")
_DATA = Place("Methods: data", "Data")
_SYNTHESIS = Place("Methods: synthesis", "Synthesis")
_RATES = Place("Results: rates by treatment", "Rates-by-treatment")
_FINDINGS = Place("Results: certainty and summary of findings", "Certainty-and-summary-of-findings")
_STUDIES = Place("Results: studies", "Studies")
_APPENDIX = Place("Appendix", "Appendix:-excluded-reports,-searches,-checklist")
_REGISTERED = Place("Statements: registration and protocol", "Registration-and-protocol")
#: Item -> where it is answered, and what the review must have for that; "" for what every review has.
_ANSWERS: dict[str, tuple[Place, str]] = {
    "1": (Place("Title", ""), "titled"),
    "5": (_QUESTION, "population"),
    "6": (_SEARCHED, "searches"),
    "7": (_APPENDIX, "strategies"),
    "10a": (_QUESTION, ""),
    "11": (Place("Methods: risk of bias", "Risk-of-bias"), "judged"),
    "12": (_SYNTHESIS, "pooled"),
    "13a": (_DATA, ""),
    "13b": (_SYNTHESIS, "pooled"),
    "13c": (_SYNTHESIS, "pooled"),
    "13d": (_SYNTHESIS, "pooled"),
    "13e": (_SYNTHESIS, "compared"),
    "15": (Place("Methods: certainty of the evidence", "Certainty-of-the-evidence"), "rated"),
    "16a": (Place("Results: selection", "Selection"), "flow"),
    "16b": (_APPENDIX, "excluded"),
    "17": (_STUDIES, ""),
    "18": (Place("Results: risk of bias of the studies", "Risk-of-bias-of-the-studies"), "judged"),
    "19": (_RATES, ""),
    "20b": (_RATES, "pooled"),
    "20c": (_RATES, "compared"),
    "20d": (Place("Results: sensitivity to the model", "Sensitivity-to-the-model"), "pooled"),
    "22": (_FINDINGS, "rated"),
    "23b": (Place("Limitations", "Limitations"), ""),
    "24a": (_REGISTERED, "registration"),
    "24b": (_REGISTERED, "protocol"),
    "25": (Place("Statements: funding", "Funding"), "funding"),
    "26": (Place("Statements: competing interests", "Competing-interests"), "interests"),
    "27": (Place("Statements: data, code and other materials", "Data,-code-and-other-materials"), ""),
}


def places_of(has: Collection[str]) -> dict[str, tuple[Place, ...]]:
    """Item -> where a manuscript answers it, for a review that has so much."""
    return {item: (place,) for item, (place, needs) in _ANSWERS.items() if not needs or needs in has}
