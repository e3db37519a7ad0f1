"""The table of the page for users of other programs, from the registry. `python -m tests.docs.habits` writes it anew."""

from __future__ import annotations

from pathlib import Path

from metanet.base.habits import HABITS

PAGE = Path(__file__).parents[2] / "docs" / "coming_from.md"
BEGIN, END = "<!-- table of habits -->\n", "<!-- end of the table -->\n"


def table() -> str:
    """The rows of every program."""
    parts = []
    for program in dict.fromkeys(habit.program for habit in HABITS):
        parts.append(f"\n### {program}\n\n| there | here |\n|---|---|\n")
        for habit in HABITS:
            if habit.program == program:
                remark = f" ({habit.remark})" if habit.remark else ""
                theirs = habit.theirs.replace("|", "\\|")
                shown = f"`{theirs}`" if "(" in theirs or program == "Stata" else theirs
                parts.append(f"| {shown} | `{habit.ours}`{remark} |\n")
    return "".join(parts) + "\n"


def renewed(text: str) -> str:
    """The page with the table of today."""
    head, rest = text.split(BEGIN, 1)
    return f"{head}{BEGIN}{table()}{END}{rest.split(END, 1)[1]}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
