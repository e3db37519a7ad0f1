"""Bitmaps of line drawings: one byte a point, because a drawing has few colours; the frequent ones are exact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Colours of a palette.
_COLOURS = 256
#: A picture with more colours than this, or with more of its points in colours that a palette has no room for, is no line drawing.
_MOST, _LEFT_OVER = 1 << 16, 0.002
_CODES = 1 << 24


def with_palette(image: Image.Image) -> Image.Image:
    """An opaque RGBA image as one with a palette, if it is a line drawing; else as RGB.

    The most frequent colours are kept as they are, and the rest, single points at the edges of lines and letters, become the
    nearest of them.
    """
    opaque = image if image.mode == "RGBA" else image.convert("RGBA")
    found = opaque.getcolors(_MOST)
    if found is None or sum(sorted((n for n, _ in found), reverse=True)[_COLOURS:]) > _LEFT_OVER * opaque.width * opaque.height:
        return image.convert("RGB")
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    colours = np.array([colour[:3] for _, colour in found], dtype=np.int32)  # type: ignore[index]
    kept = colours[:_COLOURS]
    # Where a colour is found by its code. Most points of a drawing have the colour of the paper, which is the first of the palette.
    place = np.zeros(_CODES, dtype=np.uint8)
    place[_codes(colours)] = _nearest(colours, kept)
    points = np.asarray(opaque).view("<u4").ravel() & (_CODES - 1)
    ink = np.flatnonzero(points != _codes(colours[:1])[0])
    drawn = np.zeros(points.size, dtype=np.uint8)
    drawn[ink] = place[points[ink]]
    made = Image.fromarray(drawn.reshape(opaque.height, opaque.width), mode="P")
    made.putpalette(kept.astype(np.uint8).tobytes())
    return made


def _codes(colours: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Colours as the numbers that their bytes are."""
    return np.asarray(colours[:, 0] | colours[:, 1] << 8 | colours[:, 2] << 16)


def _nearest(colours: npt.NDArray[np.int32], kept: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """For each colour the place of the nearest that is kept; the kept ones are the first."""
    out = np.arange(len(colours))
    for start in range(len(kept), len(colours), 1024):
        part = colours[start : start + 1024]
        out[start : start + 1024] = ((part[:, None, :] - kept) ** 2).sum(axis=2).argmin(axis=1)
    return out
