"""ONNX Runtime as the peer and reference: one session at a fixed number of threads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
import onnxruntime


def session(model: Path | bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(runner: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [output.name for output in runner.get_outputs()]
    return dict(zip(names, runner.run(names, dict(inputs))))


def time_ms(runner: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray], repeat: int) -> list[float]:
    """Wall times of `repeat` runs after one to warm up."""
    feeds = dict(inputs)
    runner.run(None, feeds)
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        runner.run(None, feeds)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def output_names(runner: onnxruntime.InferenceSession) -> Sequence[str]:
    return [output.name for output in runner.get_outputs()]
