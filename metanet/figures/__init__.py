"""Figures: results as Matplotlib axes. The only part that imports Matplotlib or forestplot; importing it changes no setting."""
