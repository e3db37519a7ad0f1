"""metanet: pooled rates per treatment modality from curated CSVs, exact model first.

The public names load when they are used: `import metanet` alone costs NumPy at most.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metanet._version import __version__
from metanet.errors import (
    ArgumentError,
    ConvergenceError,
    DataError,
    MetanetError,
    MetanetWarning,
    Problem,
    ReportError,
)

if TYPE_CHECKING:
    from metanet.models.pool import pool as pool
    from metanet.models.pool import pool_arrays as pool_arrays
    from metanet.models.pool import pool_many as pool_many
    from metanet.models.results import Pooled as Pooled

#: Public name -> the module that defines it.
_HOMES = {
    "pool": "metanet.models.pool",
    "pool_many": "metanet.models.pool",
    "pool_arrays": "metanet.models.pool",
    "Pooled": "metanet.models.results",
}

__all__ = [
    "ArgumentError",
    "ConvergenceError",
    "DataError",
    "MetanetError",
    "MetanetWarning",
    "Problem",
    "ReportError",
    "__version__",
    *_HOMES,
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'metanet' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
