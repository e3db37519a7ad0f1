"""The whole numbers that a printed percentage can be, in integer arithmetic: no figure is ever a float.

A percentage is its digits without the point, `digits` (16.1 % is 161), and the number of its `decimals`. With ``x`` of ``n`` patients
the source prints ``digits / 10**decimals`` if the two differ by at most half a unit of the last decimal. Both ends belong to the set,
because programs round a half up or to the even digit. The counts that qualify follow each other, so that a set is two numbers, `low`
and `high`; it is empty where `low` is above `high`. The functions take Python integers, or NumPy arrays for many denominators.

The idea for means is that of Brown and Heathers (2017), doi:10.1177/1948550616673876.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: How a source shortens a percentage: rounded to the nearest decimal, or cut off after it.
ROUNDINGS = ("half", "truncated")
#: Digits that a number and the decimals of a percentage may have; products of them stay below 2**63.
MOST_DIGITS, MOST_DECIMALS = 7, 6


def bounds(digits: Any, decimals: Any, n: Any, rounding: str = "half") -> tuple[Any, Any]:
    """The least and the greatest count of `n` that prints as the percentage; nothing does where the first is above the second."""
    scale = 100 * 10**decimals
    if rounding == "truncated":
        # From digits up to, and without, the next unit of the last decimal; 100 % is reached by all of them alone.
        low, high = -(-digits * n // scale), -(-(digits + 1) * n // scale) - 1
    else:
        low, high = -(-(2 * digits - 1) * n // (2 * scale)), (2 * digits + 1) * n // (2 * scale)
    if hasattr(n, "clip"):
        return low.clip(0), high.clip(None, n)
    return max(low, 0), min(high, n)


def narrowed(
    low: Sequence[npt.NDArray[np.int64]], high: Sequence[npt.NDArray[np.int64]], n: npt.NDArray[np.int64], together: str | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The counts of several figures of one group that are left when they count `together`, and where some are.

    Parameters
    ----------
    low, high
        The sets of each figure, for each of the denominators `n`.
    n
        The denominators.
    together
        ``"all"``: the figures divide the group, so that their counts sum to `n`. ``"at most"``: nobody is counted twice, so that they
        sum to no more than `n`. None: the figures may overlap.

    Returns
    -------
    tuple of arrays
        `low` and `high` as ``[figures, denominators]``, and for each denominator whether every figure has a count.
    """
    import numpy as np

    least, most = np.stack([np.asarray(each) for each in low]), np.stack([np.asarray(each) for each in high])
    fits: npt.NDArray[np.bool_] = np.all(least <= most, axis=0)
    if together is not None:
        # The counts of a figure follow each other, so what the others leave for it is an interval as well.
        others = least.sum(axis=0) - least
        upper = np.minimum(most, n - others)
        if together == "all":
            fits = fits & (least.sum(axis=0) <= n) & (most.sum(axis=0) >= n)
            least = np.maximum(least, n - (most.sum(axis=0) - most))
        else:
            fits = fits & (least.sum(axis=0) <= n)
        most = upper
    return least, most, fits


def printed_as(count: int, n: int, decimals: int, rounding: str = "half") -> str:
    """`count` of `n` as a percentage with so many decimals, half up or cut off: 40 of 79 is "50.6"."""
    scale = 100 * 10**decimals
    scaled = count * scale // n if rounding == "truncated" else (2 * count * scale + n) // (2 * n)
    if not decimals:
        return str(scaled)
    whole, rest = divmod(scaled, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}"
