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
from matplotlib.axes import Axes
from PIL import Image, PngImagePlugin

from metanet.figures.page.save import description_of, save_figure
from metanet.figures.registry import figures

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "gallery.md"
_BLOCK = re.compile(r"```python\n(?P<code>.*?)```(?:\n\n!\[(?P<alt>[^\]]*)\]\((?P<image>images/gallery/\w+\.png)\))?", re.DOTALL)
#: Of the 300 dots an inch that a journal asks for, a page on a screen needs half; colours in a palette.
_SHARE, _COLOURS = 0.5, 96


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


def write_picture(ax: Axes, path: Path) -> None:
    """The figure as a small PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = save_figure(ax, path.with_suffix(""), ("png",))[0]
    picture = Image.open(io.BytesIO(made.read_bytes())).convert("RGB")
    size = tuple(round(_SHARE * side) for side in picture.size)
    small = picture.resize(size, Image.Resampling.LANCZOS).quantize(_COLOURS, dither=Image.Dither.NONE)  # type: ignore[arg-type]
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
