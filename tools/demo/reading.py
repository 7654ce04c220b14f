"""Text as the OCR models of RapidOCR see it: rendering, normalising, boxes from the detector's map, CTC decoding.

The models are PP-OCRv4: the detector gives a probability map of text, shrunk towards the middle of each line
(Differentiable Binarization, arXiv:1911.08947); the recogniser gives a distribution over characters for each column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

HEIGHT = 48  # rows of a text line, for recogniser and angle classifier
_FONTS = Path("/usr/share/fonts/truetype/dejavu")
_THRESHOLD, _UNCLIP, _LEAST_AREA = 0.3, 1.6, 60


def _font(size: int, mono: bool = False) -> ImageFont.FreeTypeFont:
    path = _FONTS / ("DejaVuSansMono.ttf" if mono else "DejaVuSans.ttf")
    if not path.exists():
        raise SystemExit(f"{path} is missing: install fonts-dejavu-core (tools/dev setup does)")
    return ImageFont.truetype(str(path), size)


def page(lines: list[str], width: int, height: int) -> np.ndarray:
    """Dark text on a light page, [height, width, 3] bytes; sizes and fonts change from line to line."""
    picture = Image.new("RGB", (width, height), (246, 244, 238))
    draw = ImageDraw.Draw(picture)
    y = 24
    for number, line in enumerate(lines):
        size = (26, 20, 30, 22)[number % 4]
        draw.text((28 + 14 * (number % 3), y), line, font=_font(size, number % 3 == 2), fill=(25, 28, 40))
        y += size + 34
    return np.asarray(picture)


def normalised(picture: np.ndarray) -> np.ndarray:
    """Bytes [h, w, 3] in RGB to [1, 3, h, w] in -1 ... 1, channels in the order blue, green, red."""
    values = picture[:, :, ::-1].astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def line_input(picture: np.ndarray, width: int | None = None) -> np.ndarray:
    """A cut-out line at the models' height; with `width`, padded or squeezed to it."""
    height, length = picture.shape[:2]
    natural = max(1, math.ceil(HEIGHT * length / height))
    target = natural if width is None else min(natural, width)
    values = normalised(np.asarray(Image.fromarray(picture).resize((target, HEIGHT), Image.Resampling.BILINEAR)))
    if width is None:
        return values
    padded = np.zeros((1, 3, HEIGHT, width), np.float32)
    padded[..., :target] = values
    return padded


@dataclass(frozen=True)
class Box:
    top: int
    bottom: int
    left: int
    right: int

    def cut(self, picture: np.ndarray) -> np.ndarray:
        return picture[self.top : self.bottom, self.left : self.right]


def boxes(probability: np.ndarray) -> list[Box]:
    """Upright boxes of the connected areas above the threshold, from top to bottom, widened by area over perimeter as
    the shrunk training targets ask for."""
    labels, _ = ndimage.label(probability > _THRESHOLD)
    height, width = probability.shape
    result = []
    for rows, columns in ndimage.find_objects(labels):
        h, w = rows.stop - rows.start, columns.stop - columns.start
        if h * w < _LEAST_AREA:
            continue
        grow = math.ceil(h * w * _UNCLIP / (2 * (h + w)))
        result.append(
            Box(
                max(0, rows.start - grow),
                min(height, rows.stop + grow),
                max(0, columns.start - grow),
                min(width, columns.stop + grow),
            )
        )
    return sorted(result, key=lambda box: box.top)


class Alphabet:
    """The recogniser's characters, which its file carries; index 0 is the blank and the last one a space."""

    def __init__(self, model: Path):
        metadata = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_modelmeta()
        self.characters = ["", *metadata.custom_metadata_map["character"].splitlines(), " "]

    def decode(self, distribution: np.ndarray) -> tuple[str, float]:
        """Text and mean confidence of [columns, characters]: best path, repeats merged, blanks dropped."""
        best = distribution.argmax(axis=1)
        kept = (best != 0) & (best != np.concatenate([[-1], best[:-1]]))
        score = float(distribution.max(axis=1)[kept].mean()) if kept.any() else 0.0
        return "".join(self.characters[index] for index in best[kept]), score
