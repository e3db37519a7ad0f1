"""The evidence: CSV tables written by people, read, checked and selected."""

from metanet.evidence.checks.check import validate
from metanet.evidence.evidence import Evidence, load_evidence
from metanet.evidence.findings import Report

__all__ = ["Evidence", "Report", "load_evidence", "validate"]
