"""Tab completes names of columns in the arguments that take them: ``mn.pool(data, events="re`` and Tab gives ``responders``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from metanet.evidence.sources import is_frame, is_result

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
_METHOD = re.compile(r"\b(?P<data>[A-Za-z_]\w*)\.subset\(\s*(?P<quote>['\"])(?:[^'\"]*[\s(&|~!])?`?(?P<begun>\w*)$", re.DOTALL)


def columns_for(text: str, names: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What is begun, and the columns that could follow, for a text up to the cursor and the variables of the user."""
    found = _CALL.search(text) or _METHOD.search(text)
    if found is None:
        return "", []
    begun = found["begun"]
    return begun, [column for column in _columns(names.get(found["data"])) if column.startswith(begun)]


def _columns(value: Any) -> Iterable[str]:
    """The columns of what a variable holds."""
    from metanet.evidence.evidence import Evidence

    if isinstance(value, Evidence):
        frames = [value.rates(name) for name in value.outcome_names[:1]]
    elif is_result(value):
        frames = [value.rates()]
    else:
        frames = [value] if is_frame(value) else []
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
            begun, found = columns_for(text, shell.user_ns)
            made = [SimpleCompletion(text=name, type="column") for name in found]
            return {"completions": made, "matched_fragment": begun, "suppress": bool(made)}

        shell.Completer.custom_matchers.append(metanet_columns)
        shell._metanet_completes = True
    except (ImportError, AttributeError):
        # An older IPython, or a shell without this completer.
        return
