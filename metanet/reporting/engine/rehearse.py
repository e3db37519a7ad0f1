"""Warm up everything a report does, on four made-up studies: templates, validators, fonts and caches are then inherited by forks."""

from __future__ import annotations

import tempfile
from pathlib import Path


def rehearse() -> None:
    """Do once what every report does. Nothing of the user's is run or read."""
    import nbformat
    import pandas as pd

    from metanet.diagnostics.spread.heterogeneity import heterogeneity_text
    from metanet.diagnostics.studies.series import leave_one_out
    from metanet.figures.forest.forest import forest
    from metanet.figures.page.canvas import bare_figures
    from metanet.figures.page.save import save_figure
    from metanet.models.pooling.pool import pool
    from metanet.reporting.documents.export import page_body
    from metanet.writing.prisma.report_text import report_text
    from metanet.writing.study_tables import study_table

    data = pd.DataFrame({"study": ["Ä 2001", "B 2002", "C 2003", "D 2004"], "events": [3, 9, 14, 0], "total": [20, 31, 40, 12]})
    fit = pool(data)
    second = pool(data, model="beta_binomial")
    omitted = leave_one_out(fit)
    table = study_table(fit)
    with tempfile.TemporaryDirectory() as folder, bare_figures():
        save_figure(forest(fit, second=second), Path(folder) / "forest")
        image = (Path(folder) / "forest.svg").read_text(encoding="utf-8")
        table.to_docx(Path(folder) / "table.docx")
    words = report_text(fit, second, omitted)._repr_html_() + heterogeneity_text(fit, omitted)
    book = nbformat.v4.new_notebook()
    shown = [{"text/html": text, "text/plain": "x"} for text in (fit._repr_html_(), table.to_html(), words)]
    shown += [{"image/svg+xml": image, "text/plain": "x"}]
    outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1) for data in shown]
    outputs.append(nbformat.v4.new_output("stream", name="stderr", text="x"))
    outputs.append(nbformat.v4.new_output("error", ename="E", evalue="x", traceback=["x"]))
    book.cells = [
        nbformat.v4.new_markdown_cell("# Title\n\nText with `code` and **bold**.", id="a"),
        nbformat.v4.new_code_cell("1", outputs=outputs, id="b"),
    ]
    nbformat.validate(book)
    nbformat.writes(book)
    page_body(book)
