"""The evidence room: CSV tables that people wrote, read, checked and selected from."""

from metanet.evidence.check import validate
from metanet.evidence.evidence import Evidence
from metanet.evidence.load import load_evidence
from metanet.evidence.report import Report

__all__ = ["Evidence", "Report", "load_evidence", "validate"]
