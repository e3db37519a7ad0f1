"""What events and totals count: patients, procedures or lesions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metanet.base.display import plural

if TYPE_CHECKING:
    import pandas as pd

#: Words of the evidence's column `unit`, with their singular. A column of that name with other words is about something else.
UNITS = {"patients": "patient", "procedures": "procedure", "lesions": "lesion"}


def units_of(rows: pd.DataFrame | None) -> tuple[str, ...]:
    """The units that occur in the column `unit`; patients where nothing is said."""
    if rows is None or "unit" not in rows.columns:
        return ("patients",)
    found = {str(unit) for unit in rows["unit"].dropna()} - {""}
    known = tuple(unit for unit in UNITS if unit in found)
    return known if known and len(known) == len(found) else ("patients",)


def counted_units(number: int, units: tuple[str, ...]) -> str:
    """`648 patients or procedures`, `1 patient`."""
    first, *others = units
    words = [UNITS[unit] if number == 1 else unit for unit in others]
    return " or ".join([plural(number, UNITS[first], first), *words])
