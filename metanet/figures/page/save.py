"""Saving figures: whole files or none, the same bytes for the same figure, described for readers who cannot see it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4
from weakref import WeakKeyDictionary

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from metanet._version import __version__
from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.figures.page import style
from metanet.figures.page.svg import finished


class Description(NamedTuple):
    """What a figure shows: its title, the alternative text (short enough to be read aloud at once) and the whole in words."""

    title: str
    alt: str
    text: str


_DESCRIBED: WeakKeyDictionary[Figure, list[Description]] = WeakKeyDictionary()
#: Alternative texts are shorter than this; what is longer stands in the description.
ALT_MOST = 300


class DescribedFigure(Figure):
    """A figure whose text form is what it shows in words: a notebook keeps that beside the picture, and a report reads it there."""

    def __repr__(self) -> str:
        known = description_of(self)
        return f"<Figure: {known.alt}>" if known and known.alt else super().__repr__()


def describe(axes: Axes, title: str, text: str, alt: str = "", *, axis: str = "") -> None:
    """Remember what `axes` show; several axes of one figure are described in the order in which they were drawn.

    `text` is the whole, with the name of the `axis` of the values, if there is one; `alt` is the alternative text. Without one the
    text itself serves, as far as it may be long.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes without a figure cannot be drawn into
    whole = f"{text} The axis shows: {axis}." if axis else text
    _DESCRIBED.setdefault(figure, []).append(Description(title, _shortened(alt or text), whole))
    # A notebook draws a figure when it shows it, at the end of the cell; pyplot's own drawing of what is stale would come
    # before that and be thrown away.
    if _is_inline():
        figure.stale = False


def description_of(figure: Figure) -> Description | None:
    """Title, alternative text and description of a figure; None where nothing of ours was drawn in it."""
    known = _DESCRIBED.get(figure)
    if not known:
        return None
    return Description(known[0].title, _shortened(" ".join(one.alt for one in known)), " ".join(one.text for one in known))


def _shortened(text: str) -> str:
    """A text that ends with a whole sentence, or else a whole word, before it is too long."""
    if len(text) < ALT_MOST:
        return text
    head = text[: ALT_MOST - 2]
    end = head.rfind(". ")
    return head[: end + 1] if end > ALT_MOST // 3 else head.rsplit(" ", 1)[0].rstrip(",;:") + "…"


FORMATS = ("svg", "png", "pdf", "tiff")
#: What journals ask of a bitmap of a line drawing, at the least.
LEAST_DPI = 300
#: Text as text, with the fonts that it needs in the file. Ids from a fixed salt: the same on every run.
_SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "metanet", "pdf.fonttype": 42, "savefig.bbox": None}
TEXTS = ("text", "paths")


@checked()
def save_figure(
    ax_or_figure: Axes | Figure | SubFigure | Sequence[Axes],
    path: str | os.PathLike[str],
    formats: Sequence[str] | None = None,
    dpi: int = 300,
    text: str = "text",
) -> list[Path]:
    """Save a figure in one or more formats.

    Parameters
    ----------
    ax_or_figure
        Axes (their whole figure is saved) or a figure; or the list of axes of ``forest(pages=True)``, which becomes one PDF of as many
        pages, and numbered files in the other formats.
    path
        Where to: with the suffix of a format, such as "forest.png", that one file; without it the suffix of each format is appended.
        Missing folders are made.
    formats
        Of "svg", "png", "pdf" and "tiff". None takes the suffix of the path, or SVG and PNG where it has none.
    dpi
        Resolution of the bitmaps, at least 300.
    text
        What texts are in an SVG file: "text" can be selected, searched and read aloud, and brings its fonts; "paths" is for programs
        that do not take fonts out of the file, such as Word, LibreOffice and Inkscape. PDF always has text with its fonts.

    Returns
    -------
    list of Path
        The files, in the order of `formats`. Each is written beside its place and moved there when complete.

    Raises
    ------
    ArgumentError
        Not a figure, an unknown format, a resolution under 300 dpi, a suffix that is not one of `formats`.
    """
    figures = _figures_of(ax_or_figure)
    base, suffix = _named(Path(path))
    if formats is None:
        formats = (suffix,) if suffix else ("svg", "png")
    if isinstance(formats, str) or not isinstance(formats, Sequence) or not formats:
        raise ArgumentError(f"formats={as_given(formats)} must be a list of formats, such as ('svg', 'png').")
    for name in formats:
        check_choice("formats", name, FORMATS)
    check_choice("text", text, TEXTS)
    if suffix and suffix not in formats:
        raise ArgumentError(
            f"path={as_given(str(path))} is a file of {suffix}, and formats={formats!r}. Fix: leave one of the two out."
        )
    if isinstance(dpi, bool) or not isinstance(dpi, int) or dpi < LEAST_DPI:
        raise ArgumentError(f"dpi={as_given(dpi)} must be a whole number of at least {LEAST_DPI}.")
    base.parent.mkdir(parents=True, exist_ok=True)
    return [path for name in formats for path in _files(figures, base, name, dpi, text)]


#: Formats that are not written, and what is in their place.
_INSTEAD = {"jpg": "png", "jpeg": "png", "gif": "png", "bmp": "png", "webp": "png", "eps": "pdf", "ps": "pdf", "emf": "svg"}


def _named(path: Path) -> tuple[Path, str]:
    """A path without its suffix, and the format that the suffix names; "" where it is a part of the name."""
    suffix = path.suffix.lower().lstrip(".")
    if suffix in _INSTEAD:
        other = str(path.with_suffix(f".{_INSTEAD[suffix]}"))
        raise ArgumentError(f"path={as_given(str(path))}: figures are not written as {suffix}. Fix: {as_given(other)}.")
    known = {**dict.fromkeys(FORMATS), "tif": None}
    return (path.with_suffix(""), "tiff" if suffix == "tif" else suffix) if suffix in known else (path, "")


def _figure_of(value: object) -> Figure:
    found = value.get_figure(root=True) if isinstance(value, (Axes, SubFigure, Figure)) else None
    if not isinstance(found, Figure):
        raise ArgumentError(f"ax_or_figure must be Matplotlib axes or a figure, not {type(value).__name__}.")
    return found


def _figures_of(value: object) -> list[Figure]:
    """The figures of one argument, each once."""
    pages = list(value) if isinstance(value, (list, tuple)) else [value]
    if not pages:
        raise ArgumentError("ax_or_figure has no figure in it. Fix: give axes, a figure, or the pages of a forest plot.")
    return list(dict.fromkeys(_figure_of(page) for page in pages))


def _files(figures: list[Figure], base: Path, form: str, dpi: int, text: str) -> list[Path]:
    """The files of one format: pages are one PDF, or numbered."""
    if len(figures) == 1 or form == "pdf":
        return [_save(figures, base.with_name(f"{base.name}.{form}"), form, dpi, text)]
    return [_save([figure], base.with_name(f"{base.name}-{i}.{form}"), form, dpi, text) for i, figure in enumerate(figures, 1)]


def _save(figures: list[Figure], path: Path, form: str, dpi: int, text: str) -> Path:
    # Beside its place, so that the move cannot cross to another file system; opened anew, so that the usual rights apply.
    partial = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with partial.open("xb") as file:
            _write_all(figures, file, form, dpi, text)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    return path


def _write_all(figures: list[Figure], file: BinaryIO, form: str, dpi: int, text: str) -> None:
    if len(figures) == 1:
        _write(figures[0], file, form, dpi, text)
        return
    from matplotlib.backends.backend_pdf import PdfPages

    with style.settings(_SETTINGS), PdfPages(file, metadata=_metadata(figures[0], "pdf")) as pages:
        for figure in figures:
            pages.savefig(figure, dpi=dpi, facecolor="white")


def _write(figure: Figure, file: BinaryIO, form: str, dpi: int, text: str = "text") -> None:
    if form == "png":
        _write_png(figure, file, dpi)
        return
    if form == "svg":
        file.write(_svg(figure, text))
        return
    options: dict[str, Any] = {"format": form, "metadata": _metadata(figure, form)}
    if form == "tiff":
        options |= {"pil_kwargs": {"compression": "tiff_lzw"}}
        del options["metadata"]
    with style.settings(_SETTINGS):
        figure.savefig(file, dpi=dpi, facecolor="white", **options)


#: The drawings that notebooks have shown, each with the description that is in it.
_SHOWN: WeakKeyDictionary[Figure, tuple[object, bytes]] = WeakKeyDictionary()


def _svg(figure: Figure, text: str) -> bytes:
    """A figure as SVG. A report shows it and then saves it: it is drawn once, as long as nothing in it has changed."""
    about = (description_of(figure), text)
    known = _SHOWN.get(figure)
    if known is not None and known[0] == about and not figure.stale:
        return known[1]
    made = _drawn_svg(figure, text)
    if _is_inline():
        _SHOWN[figure] = about, made
        figure.stale = False
    return made


def _is_inline() -> bool:
    """Whether notebooks show figures when a cell has ended: nothing else waits for a figure to change."""
    return "inline" in str(matplotlib.get_backend(auto_select=False)).lower()


def _drawn_svg(figure: Figure, text: str) -> bytes:
    raw, known = BytesIO(), description_of(figure) or Description("", "", "")
    with style.settings({**_SETTINGS, "svg.fonttype": "path" if text == "paths" else "none"}):
        figure.savefig(raw, format="svg", facecolor="white", metadata=_metadata(figure, "svg"))
    return finished(raw.getvalue(), known.alt or known.title, known.text)


#: Beyond this level a line drawing grows little smaller, and each level takes its time in every report.
_LEVEL = 5


def _write_png(figure: Figure, file: BinaryIO, dpi: int) -> None:
    """A bitmap on white, without the channel for transparency that Matplotlib writes and nobody needs: smaller, and sooner written."""
    from PIL import Image, PngImagePlugin

    from metanet.figures.page.bitmap import with_palette

    raw = BytesIO()
    with style.settings(_SETTINGS):
        figure.savefig(raw, format="rgba", dpi=dpi, facecolor="white")
    width = int(figure.get_figwidth() * dpi)
    content = raw.getvalue()
    image = Image.frombuffer("RGBA", (width, len(content) // (4 * width)), content, "raw", "RGBA", 0, 1)
    about = PngImagePlugin.PngInfo()
    for name, text in _metadata(figure, "png").items():
        about.add_text(name, text or "")
    with_palette(image).save(file, "png", compress_level=_LEVEL, dpi=(dpi, dpi), pnginfo=about)


def svg_image(ax_or_figure: Axes | Figure | SubFigure) -> tuple[bytes, str]:
    """A figure as SVG, and its alternative text."""
    figure = _figure_of(ax_or_figure)
    known = description_of(figure)
    return _svg(figure, "text"), known.alt if known else ""


def _metadata(figure: Figure, form: str) -> dict[str, str | None]:
    """What each format can hold of title, description and origin; no date, so that the bytes repeat."""
    title, alt, text = description_of(figure) or ("", "", "")
    origin = f"metanet {__version__}, Matplotlib {matplotlib.__version__}"
    known: dict[str, str | None]
    if form == "svg":
        # Title and description of an SVG file are its own elements.
        known = {"Creator": origin, "Date": None}
    elif form == "png":
        known = {"Title": title, "Alternative": alt, "Description": text, "Software": origin}
    else:
        known = {"Title": title, "Subject": text, "Creator": origin, "CreationDate": None}
    return {key: value for key, value in known.items() if value or key in ("Date", "CreationDate")}
