"""Names of the arrays that kernels take and return."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Numbers; the last axis is the studies, the axes before it are the batch.
Array = NDArray[np.float64]
#: Truth values of the same shape.
Mask = NDArray[np.bool_]
#: Positions along an axis.
Indices = NDArray[np.intp]
