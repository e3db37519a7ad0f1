"""The pictures of the gallery: each block of code of the page, drawn, and the text that stands for the picture.

`python -m tests.docs.gallery` draws them all anew and writes their alternative texts into the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from PIL import Image, PngImagePlugin

from metanet.figures.page.save import description_of, save_figure
from metanet.figures.registry import figures

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "gallery.md"
_BLOCK = re.compile(r"```python\n(?P<code>.*?)```(?:\n\n!\[(?P<alt>[^\]]*)\]\((?P<image>images/gallery/\w+\.png)\))?", re.DOTALL)
#: Of the 300 dots an inch that a journal asks for, a page on a screen needs half.
_SHARE = 0.5
#: Colours of a palette; how many of them are the most frequent ones of the picture as they are, and how many of those are no greys.
_COLOURS, _EXACT, _COLOURED = 112, 72, 36


def drawn() -> Iterator[tuple[str, str, Axes]]:
    """Image, alternative text on the page, and the axes that the code makes now."""
    names: dict[str, Any] = {}
    for found in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        names.pop("ax", None)
        exec(compile(found["code"], "gallery", "exec"), names)
        if found["image"]:
            yield found["image"], found["alt"], names["ax"]


def text_of(ax: Axes) -> str:
    """The alternative text on one line, without what would end it in Markdown."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    described = description_of(figure)
    assert described is not None
    return " ".join(described.alt.replace("[", "(").replace("]", ")").split())


def text_in(path: Path) -> str:
    """The text that a picture carries in itself."""
    with Image.open(path) as picture:
        picture.load()
        return str(picture.info.get("Description", ""))


def in_palette(picture: Image.Image, whole: Image.Image) -> Image.Image:
    """A picture with a palette that has the frequent colours of the `whole` exactly, so that marks and shades keep theirs.

    The rest of the palette is for the blends at the edges of letters and lines, which are most of the colours of a smaller picture.
    """
    counts = sorted(whole.getcolors(whole.width * whole.height) or [], reverse=True)
    coloured = [colour for _, colour in counts if max(colour) - min(colour) > 24][:_COLOURED]
    exact = list(dict.fromkeys([*coloured, *(colour for _, colour in counts)]))[:_EXACT]
    blends = picture.quantize(_COLOURS - _EXACT, dither=Image.Dither.NONE).getpalette() or []
    exact += [tuple(blends[i : i + 3]) for i in range(0, len(blends), 3)][: _COLOURS - _EXACT]
    # Pillow's own search for the nearest colour drops the last bits of each.
    table = np.array(exact[:_COLOURS], dtype=np.int64)
    own, places = np.unique(np.asarray(picture).reshape(-1, 3).astype(np.int64), axis=0, return_inverse=True)
    nearest = np.concatenate([((part[:, None] - table) ** 2).sum(-1).argmin(1) for part in np.array_split(own, len(own) // 2000 + 1)])
    out = Image.fromarray(nearest[places.ravel()].astype(np.uint8).reshape(picture.height, picture.width), mode="P")
    out.putpalette(table.astype(np.uint8).ravel().tolist())
    return out


def write_picture(ax: Axes, path: Path) -> None:
    """The figure as a small PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = save_figure(ax, path.with_suffix(""), ("png",))[0]
    picture = Image.open(io.BytesIO(made.read_bytes())).convert("RGB")
    size = tuple(round(_SHARE * side) for side in picture.size)
    small = in_palette(picture.resize(size, Image.Resampling.LANCZOS), picture)  # type: ignore[arg-type]
    about = PngImagePlugin.PngInfo()
    about.add_itxt("Description", text_of(ax))
    small.save(path, pnginfo=about, optimize=True)


def add_missing() -> None:
    """Give every figure of the registry that the page does not show an entry, from its docstring."""
    page = PAGE.read_text(encoding="utf-8")
    for name, figure in figures().items():
        if f"images/gallery/{name}" not in page:
            about = (figure.function.__doc__ or "").split("\n\n")[0].strip()
            code = f"```python\n{figure.example}\n```"
            page += f"\n## {figure.title}\n\n{about}\n\n{code}\n\n![](images/gallery/{name}.png)\n"
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Draw every picture and write its text into the page."""
    matplotlib.use("Agg")
    add_missing()
    texts = {}
    for image, _, ax in drawn():
        write_picture(ax, PAGE.parent / image)
        texts[image] = text_of(ax)
    page = re.sub(
        r"!\[[^\]]*\]\((images/gallery/\w+\.png)\)",
        lambda found: f"![{texts[found[1]]}]({found[1]})",
        PAGE.read_text(encoding="utf-8"),
    )
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
