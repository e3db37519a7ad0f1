"""Many scripts in one process of R, and the table of the largest differences: ``python -m tests.models.r.together``."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

_RUN = """\
for (path in commandArgs(trailingOnly = TRUE)) {
  place <- new.env()
  place$quit <- function(...) NULL
  cat("script:", path, "\\n")
  tryCatch(sys.source(path, place), error = function(fault) cat("failed:", conditionMessage(fault), "\\n"))
}
"""


def has_r():
    """Whether R is here with the packages that the scripts need."""
    if shutil.which("Rscript") is None:
        return False
    code = 'quit(status = !all(vapply(c("lme4", "metafor"), requireNamespace, logical(1), quietly = TRUE)))'
    return subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True, check=False).returncode == 0


def run_all(scripts):
    """Name -> what the last line of its script said, with its whole output under "output"; `scripts` maps names to texts."""
    with tempfile.TemporaryDirectory(prefix="metanet-r-") as folder:
        names = list(scripts)
        for place, name in enumerate(names):
            Path(folder, f"{place}.R").write_text(scripts[name], encoding="utf-8")
        Path(folder, "run.R").write_text(_RUN, encoding="utf-8")
        files = [str(Path(folder, f"{place}.R")) for place in range(len(names))]
        command = ["Rscript", "--vanilla", str(Path(folder, "run.R")), *files]
        ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=1200, check=False, cwd=folder)
    out = {}
    for name, text in zip(names, ran.stdout.split("script: ")[1:], strict=True):
        said = [line for line in text.splitlines() if line.startswith("metanet-check: ")]
        found = json.loads(said[-1].removeprefix("metanet-check: ")) if said else {"missed": ["all"], "largest": None, "compared": 0}
        out[name] = {**found, "output": text}
    return out


def table(results):
    """The largest relative difference of each model on each data set, as lines of Markdown."""
    found = run_all({key: fit.to_r() for key, fit in results.items()})
    rows = [
        f"| {model} | {data} | {said['compared']} | {said['largest']} | {', '.join(said['missed'])} |"
        for (model, data), said in found.items()
    ]
    return ["| model | data | numbers | largest | missed |", "|---|---|---|---|---|", *rows]


if __name__ == "__main__":
    from tests.models.r.cases import models, words

    print("\n".join(table({**models(), **words()})))
