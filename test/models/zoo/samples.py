"""Inputs that differ from each other as real ones do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
_WORDS = "kernel matrix tensor window schedule layout region gather scatter softmax 128 4096 0.25".split()


def images(random: np.random.Generator, count: int, size: int, channels: int = 3) -> np.ndarray:
    """Smooth random pictures, normalised: a few waves of random direction, length and colour each, and some noise.

    White noise alone would look the same to every convolutional network after its first pooling.
    """
    axis = np.linspace(0, 1, size, dtype=np.float32)
    rows, columns = np.meshgrid(axis, axis, indexing="ij")
    result = np.empty((count, channels, size, size), np.float32)
    for picture in result:
        picture[:] = random.standard_normal((channels, size, size)) * random.uniform(0.05, 0.4)
        for _ in range(random.integers(2, 7)):
            angle, waves, phase = random.uniform(0, 2 * np.pi), random.uniform(1, 30), random.uniform(0, 2 * np.pi)
            field = np.sin(2 * np.pi * waves * (rows * np.sin(angle) + columns * np.cos(angle)) + phase)
            picture += random.standard_normal((channels, 1, 1)).astype(np.float32) * field
        picture -= picture.mean()
        picture /= picture.std()
    return result


def tokens(random: np.random.Generator, batch: int, length: int, vocabulary: int) -> np.ndarray:
    return random.integers(0, vocabulary, (batch, length), dtype=np.int64)


def token_mask(random: np.random.Generator, batch: int, length: int) -> np.ndarray:
    """A mask as a tokenizer gives it: the first row is full, the others end earlier."""
    lengths = random.integers(max(1, length // 2), length + 1, batch)
    lengths[0] = length
    return (np.arange(length)[None, :] < lengths[:, None]).astype(np.int64)


def text(random: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
    """Lines of random words, normalised to -1 ... 1, [count, 3, height, width]. Without text, the OCR models' outputs are
    all below 1e-6, where their relative error says nothing."""
    result = np.empty((count, 3, height, width), np.float32)
    for picture in result:
        image = Image.new("RGB", (width, height), (244, 243, 240))
        draw = ImageDraw.Draw(image)
        size = 30 if height <= 64 else 22
        font = ImageFont.truetype(str(_FONT), size)
        for y in range(6, height - size, size + 24):
            words = " ".join(str(random.choice(_WORDS)) for _ in range(1 + width // 110))
            draw.text((int(random.integers(4, 20)), y), words, font=font, fill=(20, 24, 40))
        picture[:] = np.asarray(image, np.float32).transpose(2, 0, 1) / 127.5 - 1
    return result
