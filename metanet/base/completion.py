"""What tab completion offers: the names that a reader needs first."""

from __future__ import annotations

from typing import ClassVar


class Listed:
    """A result whose completion is short. What is not listed works all the same, and stands in the documentation."""

    _listed: ClassVar[tuple[str, ...]] = ()

    def __dir__(self) -> list[str]:
        return sorted(self._listed)
