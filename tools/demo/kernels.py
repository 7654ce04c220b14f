"""Kernel methods: an RBF support-vector classifier of digits and a Gaussian-process regressor of diabetes."""

from __future__ import annotations

import numpy as np

from subject import Subject
from zoo import kernel_methods

_SHADES = " .:-=+*#%@"


def _drawn(digits: np.ndarray) -> list[str]:
    """Pictures of 8 x 8 side by side, two characters a pixel."""
    rows = []
    for row in range(8):
        cells = ["".join(_SHADES[int(round(value * 9))] * 2 for value in digit.reshape(8, 8)[row]) for digit in digits]
        rows.append("   ".join(cells))
    return rows


def classify(single: Subject, double: Subject) -> list[str]:
    split = kernel_methods.digits()
    said = []
    for subject, dtype in ((single, np.float32), (double, np.float64)):
        inputs = {"input": split.test_x.astype(dtype)}
        ours, theirs = subject.run(inputs)
        labels, expected = (list(outputs.values())[0] for outputs in (ours, theirs))
        subject.same(bool(np.array_equal(labels, expected)))
        subject.time(inputs)
        right = float((labels == split.test_y).mean())
        if not said:
            said += _drawn(split.test_x[:5])
            said.append("   ".join(f"{f'is {label}':16}" for label in labels[:5]))
        said.append(f"{np.dtype(dtype).name}: {len(labels)} held-out digits, {right:.1%} right")
    return said


def regress(single: Subject, double: Subject) -> list[str]:
    split = kernel_methods.diabetes()
    said = []
    for subject, dtype in ((single, np.float32), (double, np.float64)):
        inputs = {"input": split.test_x.astype(dtype)}
        ours, _ = subject.run(inputs)
        predicted = list(ours.values())[0].ravel().astype(np.float64)
        subject.time(inputs)
        residual = ((predicted - split.test_y) ** 2).sum()
        score = 1 - residual / ((split.test_y - split.test_y.mean()) ** 2).sum()
        subject.same(score > 0.3)
        if not said:
            pairs = "   ".join(f"{y:.0f} for {t:.0f}" for y, t in zip(predicted[:6], split.test_y[:6]))
            said.append(f"predicted for measured: {pairs}")
        said.append(f"{np.dtype(dtype).name}: {len(predicted)} held-out patients, R² {score:.3f}")
    return said
