"""Many small images with text between them, as one picture."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt


def on_paper(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images (…, C, H, W) as they are looked at: RGB, (…, H, W, 3).

    Three channels are shown in their colours; of any other number the first, as ink on paper.
    """
    if images.shape[-3] == 3:
        return np.moveaxis(images, -3, -1)
    ink = images[..., 0, :, :, None]
    return np.broadcast_to(255 - ink, (*ink.shape[:-1], 3))


def label_text(name: str) -> str:
    """Return what says an image's label in little room: "label 4", but "airplane"."""
    return name if len(name) > 2 else f"label {name}"


class ContactSheet:
    """One large picture, counted in pixels of the digits, with text on it.

    Hundreds of matplotlib axes, one for each digit, would take 7 s where this takes 1.
    """

    def __init__(self, width: int, height: int, *, units_per_inch: int, dpi: int) -> None:
        """Make an empty page.

        `units_per_inch` are pixels of the digits, `dpi` those of the file; text sizes are points
        of that inch.
        """
        from matplotlib.figure import Figure

        self._canvas = np.full((height, width, 3), 255, dtype=np.uint8)
        inches = width / units_per_inch, height / units_per_inch
        self._figure = Figure(figsize=inches, dpi=dpi)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()

    def put(
        self, left: int, top: int, image: npt.NDArray[np.uint8], color: tuple[int, int, int]
    ) -> None:
        """Put an image, uint8 (C, H, W), in a frame of that colour."""
        height, width = image.shape[-2:]
        frame = self._canvas[top - 1 : top + height + 1, left - 1 : left + width + 1]
        frame[:] = color
        frame[1:-1, 1:-1] = on_paper(image)

    def write(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write text whose left end, or as `style` says, is at x, and whose middle is at y."""
        self._axes.text(x, y, text, **{"va": "center", **style})

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        height, width = self._canvas.shape[:2]
        extent = (0, width, height, 0)
        self._axes.imshow(self._canvas, extent=extent, interpolation="nearest", aspect="auto")
        file = io.BytesIO()
        self._figure.savefig(file, format="png")
        return file.getvalue()
