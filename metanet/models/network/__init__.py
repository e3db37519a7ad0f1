"""Networks of treatments from studies that compare them: estimates, consistency, ranks, moderators."""
