"""Preview of one Gray-Scott simulation: in a window as it runs, or as an animation and a picture of its last frame."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from raypipe.errors import make_folder
from raypipe.files import write
from raypipe.plot.style import new_figure, raster, styled
from raypipe.studies.gray_scott.colours import FIELD_COLOURS
from raypipe.studies.gray_scott.integrator import Frame

_MILLISECONDS = 100
_FILM_DOTS_PER_INCH = 80


def show(frames: Iterable[Frame], title: str) -> None:
    """Draw each frame in a window as it is computed. Return when the window is closed, even before the last frame."""
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(6, 5.4), layout="constrained")
    picture = _Picture(figure, title)
    for frame in frames:
        picture.draw(frame)
        pyplot.pause(0.001)
        if not pyplot.fignum_exists(figure.number):
            return
    pyplot.show()


def film(frames: Iterable[Frame], title: str, path: Path) -> tuple[Path, Path]:
    """Write all frames to a GIF and the last one to a PNG file; return the paths, `path` with .png and with .gif added.

    Raises:
        InputError: if the files cannot be written.
    """
    make_folder(path.parent)
    figure = new_figure(5, 4.5)
    picture = _Picture(figure, title)
    images = []
    for frame in frames:
        picture.draw(frame)
        images.append(raster(figure, _FILM_DOTS_PER_INCH, palette=True))
    last, moving = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.gif")
    options: dict[str, Any] = {"append_images": images[1:], "duration": _MILLISECONDS, "loop": 0}
    write(moving, lambda file: images[0].save(file, save_all=True, **options))
    write(last, raster(figure, 2 * _FILM_DOTS_PER_INCH).save)
    return last, moving


class _Picture:
    """A picture of u that is redrawn for each frame."""

    @styled
    def __init__(self, figure: Figure, title: str) -> None:
        self._axes = figure.add_subplot()
        self._image = self._axes.imshow([[1.0]], cmap=FIELD_COLOURS, vmin=0, vmax=1)
        self._axes.set(xlabel="x (grid spacings)", ylabel="y (grid spacings)")
        figure.colorbar(self._image).set_label("u", rotation=0)
        self._title = title

    @styled
    def draw(self, frame: Frame) -> None:
        size_y, size_x = frame.u.shape
        self._image.set(data=frame.u, extent=(0, size_x, size_y, 0))
        self._axes.set_title(f"{self._title}\nt = {frame.time:g}")
