"""Evidence of a few rows under the control of a test, with what the explorer asks of evidence."""

from pathlib import Path

import pandas as pd

OUTCOME = "response"


class SmallEvidence:
    """One outcome, without modality, certainty, overlap or definitions; `names` are the studies' names, in the order of the data, with
    counts that differ. `columns` are further columns, `titles` their titles.
    """

    name = "small"

    outcome_names = (OUTCOME,)
    modality_classes = ()
    path = Path("no such folder")
    code = "evidence"

    def __init__(self, names, titles=None, **columns):
        counts = [(3 + 2 * i, 20 + 3 * i) for i in range(len(names))]
        self._frame = pd.DataFrame(
            {"study": list(names), "events": [events for events, _ in counts], "total": [total for _, total in counts], **columns}
        )
        self._frame.attrs["titles"] = titles or {}

    def rates(self, outcome, *, modality=None, overlap="keep_largest"):
        rates = self._frame.copy()
        return rates if modality is None else rates[rates["modality_class"] == modality]

    def definitions(self, outcome):
        return {}

    def label(self, outcome):
        return "Response"
