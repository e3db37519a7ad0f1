"""The evidence: CSV tables written by people, read, checked and selected."""

from metanet.evidence.checks.check import validate
from metanet.evidence.evidence import Evidence
from metanet.evidence.findings import Report
from metanet.evidence.load import load_evidence

__all__ = ["Evidence", "Report", "load_evidence", "validate"]
