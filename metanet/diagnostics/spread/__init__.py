"""What heterogeneity means: report, share beyond a threshold, facts for GRADE."""
