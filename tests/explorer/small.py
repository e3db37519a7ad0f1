"""Evidence of a few rows under the control of a test, with what the explorer asks of evidence."""

import pandas as pd

OUTCOME = "response"


class SmallEvidence:
    """One outcome; `names` are the studies' names, in the order of the data, with counts that differ."""

    outcome_names = (OUTCOME,)

    def __init__(self, names):
        counts = [(3 + 2 * i, 20 + 3 * i) for i in range(len(names))]
        self._frame = pd.DataFrame(
            {"study": list(names), "events": [events for events, _ in counts], "total": [total for _, total in counts]}
        )

    def rates(self, outcome, *, modality, overlap, certainty):
        return self._frame.copy()

    def poolable(self):
        return pd.DataFrame({"outcome": [OUTCOME], "modality_class": ["TARE"], "k": [len(self._frame)]})

    def label(self, outcome):
        return "Response"
