"""Figures: results become Matplotlib axes. The only room that imports Matplotlib or forestplot; importing it changes no setting."""
