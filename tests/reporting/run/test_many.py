"""A batch of thousands of reports: the process that leads it stays small."""

from __future__ import annotations

import gc
import json
import tracemalloc

from metanet.reporting.plan.jobs import Job
from metanet.reporting.run import batch
from metanet.reporting.run.makers import Limits, Maker

MANY, FIRST = 3000, 1000


class Fake(Maker):
    """Writes what a report leaves at the least, and takes down the memory of the process that leads the batch."""

    def __init__(self):
        super().__init__(("html",), Limits())
        self.made, self.held = 0, {}

    def make(self, job, staged, log, shown=None):
        (staged / "report.html").write_text("<html></html>")
        (staged / "numbers.json").write_text(
            json.dumps({"result": {"events": self.made, "weights": [0.123456] * 2_000}, "others": [{}] * 2_000})
        )
        log.write_text("made")
        self.made += 1
        if self.made in (FIRST, MANY):
            gc.collect()
            self.held[self.made] = tracemalloc.get_traced_memory()[0]


def test_the_memory_of_a_batch_grows_by_less_than_five_kilobytes_a_report(tmp_path, notebook, monkeypatch):
    path, fake = notebook("1"), Fake()
    monkeypatch.setattr(batch, "_maker", lambda *given: fake)
    jobs = [Job(path, {"number": number}, f"Number {number}", f"x/n{number}", {"outcome": "x"}) for number in range(MANY)]
    tracemalloc.start()
    try:
        made = batch.run_jobs(jobs, tmp_path / "out", 1)
    finally:
        tracemalloc.stop()
    assert not any(one.error or one.kept for one in made)
    assert (fake.held[MANY] - fake.held[FIRST]) / (MANY - FIRST) < 5_000
