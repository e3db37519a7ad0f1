"""Networks of treatments that studies compare: two-step estimates, consistency, ranks, and the exact model of the counts."""
