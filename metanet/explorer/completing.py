"""Tab completes names of columns in the arguments that take them: ``mn.pool(data, events="re`` and Tab gives ``responders``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from metanet.evidence.sources import is_result

#: Arguments of public functions that name a column.
ARGUMENTS = (
    *("events", "total", "events_control", "total_control", "person_time", "person_time_control", "yi", "vi", "study", "by"),
    *("cluster", "order", "sort"),
)
#: The call that is being written, from the name of its data to the open quote at the end.
_CALL = re.compile(
    r"(?:\bmn|\bmetanet)\.\w+\(\s*(?P<data>[A-Za-z_]\w*)\s*,(?P<between>[^()]*?)"
    rf"(?:\b(?:{'|'.join(ARGUMENTS)})\s*=\s*|,\s*|^\s*|\s)(?P<quote>['\"])(?P<begun>[^'\"]*)$",
    re.DOTALL,
)
#: The same for a method of a result: ``fit.subset("ye``.
_METHOD = re.compile(r"\b(?P<data>[A-Za-z_]\w*)\.subset\(\s*['\"](?:[^'\"]*[\s(&|~!])?(?P<begun>\w*)$", re.DOTALL)
#: A name in backticks that is being written in a condition.
_TICKED = re.compile(r"\b(?P<data>[A-Za-z_]\w*)\.subset\(\s*['\"](?:[^'\"`]*`[^'\"`]*`)*[^'\"`]*`(?P<begun>[^'\"`]*)$", re.DOTALL)
#: Where the name of an outcome belongs: ``mn.explore(evidence, "obj``, ``outcome="obj`` and ``evidence.rates("obj``.
_OUTCOME = re.compile(
    r"(?:\b(?:mn|metanet)\.(?:\w+\(\s*(?P<data>[A-Za-z_]\w*)\s*,[^()]*?\b(?:outcome|benefit|risk)\s*=\s*"
    r"|(?:explore|multiverse|summary_table|summary_of_findings|published_table|benefit_risk)\(\s*(?P<first>[A-Za-z_]\w*)\s*,\s*)"
    r"|\b(?P<own>[A-Za-z_]\w*)\.rates\(\s*)['\"](?P<begun>[^'\"]*)$",
    re.DOTALL,
)


def columns_for(text: str, names: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What is begun, and the columns that could follow, for a text up to the cursor and the variables of the user."""
    if (found := _OUTCOME.search(text)) is not None:
        outcomes = _outcomes(names.get(found["data"] or found["first"] or found["own"]))
        return found["begun"], [name for name in outcomes if name.startswith(found["begun"])]
    if (found := _CALL.search(text)) is not None:
        return found["begun"], [column for column in _columns(names.get(found["data"])) if column.startswith(found["begun"])]
    if (found := _TICKED.search(text)) is not None:
        known = [column for column in _columns(names.get(found["data"])) if "`" not in column]
        return found["begun"], [f"{column}`" for column in known if column.startswith(found["begun"])]
    if (found := _METHOD.search(text)) is None:
        return "", []
    columns = _columns(names.get(found["data"]))
    # In a condition a name with spaces is written in backticks.
    shown = [(column, column if column.isidentifier() else f"`{column}`") for column in columns if "`" not in column]
    return found["begun"], [text for column, text in shown if column.startswith(found["begun"])]


def _outcomes(value: Any) -> Iterable[str]:
    """The outcomes of evidence that a variable holds."""
    from metanet.evidence.evidence import Evidence

    return value.outcome_names if isinstance(value, Evidence) else ()


def _columns(value: Any) -> Iterable[str]:
    """The columns of what a variable holds."""
    from metanet.evidence.evidence import Evidence

    if isinstance(value, Evidence):
        frames = [value.rates(name) for name in value.outcome_names[:1]]
    elif is_result(value):
        frames = [value.rates()]
    else:
        # By its class: to look for attributes of a stranger's object would run code of it.
        frames = [value] if any(each.__name__ == "DataFrame" for each in type(value).__mro__) else []
    return [column for frame in frames for column in frame.columns if isinstance(column, str)]


def install(shell: Any) -> None:
    """Let an IPython shell complete columns; once for each shell, and silently nothing where it cannot."""
    if getattr(shell, "_metanet_completes", False):
        return
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher

        @context_matcher()  # type: ignore[untyped-decorator]
        def metanet_columns(context: Any) -> dict[str, Any]:
            text = "\n".join(
                [*context.full_text.split("\n")[: context.cursor_line], context.line_with_cursor[: context.cursor_position]]
            )
            try:
                begun, found = columns_for(text, shell.user_ns)
            except Exception:
                # Whatever a variable holds, Tab goes on to complete the rest.
                begun, found = "", []
            made = [SimpleCompletion(text=name, type="column") for name in found]
            return {"completions": made, "matched_fragment": begun, "suppress": bool(made)}

        shell.Completer.custom_matchers.append(metanet_columns)
        shell._metanet_completes = True
    except (ImportError, AttributeError):
        # An older IPython, or a shell without this completer.
        return
