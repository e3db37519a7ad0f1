"""Reports in every format, on tables with a hostile name, made twice."""

from __future__ import annotations

import pytest

from metanet.reporting.run.batch import report


def _made(out, data):
    report("objective_response", "TARE", out=out, data=data, formats=("pdf", "docx"), jobs=1)
    report("hepatotoxicity", "TACE", out=out, data=data, formats=("pdf", "docx"), jobs=1, supplement=True)
    return out


@pytest.fixture(scope="session")
def formats_report(hostile_evidence, tmp_path_factory):
    return _made(tmp_path_factory.mktemp("formats"), hostile_evidence)


@pytest.fixture(scope="session")
def second_run(hostile_evidence, tmp_path_factory):
    return _made(tmp_path_factory.mktemp("again"), hostile_evidence)
