"""Convolution and attention: RapidOCR reads a page that we render, and magika names the types of our own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import reading
from mercertest.tools import repository
from subject import Subject

LINES = [
    "Mercer reads this line",
    "softmax(QK/8)V at any length",
    "16 lanes, 32 registers",
    "a positive definite kernel is an inner product",
]


def read_page(detector: Subject, classifier: Subject, recogniser: Subject) -> list[str]:
    """Finds the lines, turns those that stand on their head, reads them."""
    said = []
    picture = reading.page(LINES, width=704, height=256)
    ours, theirs = detector.run({"x": reading.normalised(picture)})
    (found,), (expected,) = (list(outputs.values()) for outputs in (ours, theirs))
    places = reading.boxes(found[0, 0])
    detector.same(places == reading.boxes(expected[0, 0]))
    detector.time({"x": reading.normalised(picture)})
    said.append(f"detector: {len(places)} lines on a page of {len(LINES)}")

    alphabet = reading.Alphabet(recogniser.model)
    for number, place in enumerate(places):
        line = place.cut(picture)
        turned = number % 2 == 1
        if turned:
            line = np.ascontiguousarray(line[::-1, ::-1])
        angle = {"x": reading.line_input(line, width=192)}
        (mine,), (peer,) = (list(outputs.values()) for outputs in classifier.run(angle))
        classifier.same(mine.argmax() == peer.argmax())
        upside_down = mine[0, 1] > 0.9
        if upside_down:
            line = np.ascontiguousarray(line[::-1, ::-1])
        text = {"x": reading.line_input(line)}
        (mine,), (peer,) = (list(outputs.values()) for outputs in recogniser.run(text))
        words, score = alphabet.decode(mine[0])
        recogniser.same(words == alphabet.decode(peer[0])[0])
        angles = f"turned by {180 * turned:3}°, seen as {180 * bool(upside_down):3}°"
        said.append(f"{words!r}   confidence {score:.3f}   {text['x'].shape[3]} columns   {angles}")
        if number == 0:
            classifier.time(angle)
            recogniser.time(text)
    return said


def name_files(subject: Subject) -> list[str]:
    """magika's own feature extraction and decision, with Mercer in the place of its ONNX Runtime session."""
    from magika import Magika

    class Session:
        """What Magika calls: rows of bytes in, one distribution over types a row out."""

        inputs: dict[str, np.ndarray] = {}

        def run(self, names: list[str], feeds: dict[str, list[list[int]]]) -> list[np.ndarray]:
            self.inputs = {"bytes": np.array(feeds["bytes"], np.int32)}
            ours, theirs = subject.run(self.inputs)
            subject.same(np.array_equal(*(outputs[names[0]].argmax(axis=1) for outputs in (ours, theirs))))
            return [ours[name] for name in names]

    magika, session = Magika(), Session()
    magika._onnx_session = session
    root = repository()
    names = ["CMakeLists.txt", "README.md", "tools/dev", "tools/demo/reading.py", "dialects/mercer/IR/MercerDialect.cpp"]
    paths = [root / name for name in names if (root / name).exists()] + [subject.model]
    said = []
    for path, result in zip(paths, magika.identify_paths(paths)):
        shown = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        kind = result.prediction.output
        said.append(f"{str(shown):42} {kind.label:12} {result.prediction.score:.3f}  {kind.description}")
    subject.time({name: array[:1] for name, array in session.inputs.items()})
    return said
