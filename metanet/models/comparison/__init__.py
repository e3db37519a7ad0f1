"""Comparisons of groups of studies: between studies, within studies, benefit against risk, response categories."""
