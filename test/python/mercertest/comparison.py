"""Compiles a model, compares its outputs with ONNX Runtime's, and times both in turn at one thread."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Mapping

import numpy as np

from . import reference
from .arrays import relative_error
from .tools import Outcome, compile_model, run_artifact


@dataclass
class Times:
    """Medians in milliseconds, of rounds that alternate between the two."""

    mercer: float
    onnxruntime: float

    @property
    def ratio(self) -> float:
        """Above 1: Mercer is slower."""
        return self.mercer / self.onnxruntime


@dataclass
class Result:
    name: str
    failure: str = ""
    errors: dict[str, float] = field(default_factory=dict)
    compile_seconds: float = 0.0
    compile_peak_bytes: int = 0
    times: dict[str, Times] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.failure

    @property
    def error(self) -> float:
        return max(self.errors.values(), default=float("nan"))

    def as_json(self) -> dict:
        result = asdict(self)
        for key, times in self.times.items():
            result["times"][key]["ratio"] = times.ratio
        return result


def describe(sizes: Mapping[str, int]) -> str:
    return " ".join(f"{name}={value}" for name, value in sizes.items()) or "fixed"


def compiled(model: Path, artifact: Path, result: Result, *options: str, timeout: float = 180) -> bool:
    outcome: Outcome = compile_model(model, artifact, *options, timeout=timeout)
    result.compile_seconds = outcome.seconds
    result.compile_peak_bytes = outcome.peak_bytes
    if not outcome.ok:
        result.failure = f"mercerc: {outcome.code}: {outcome.message[:160]}"
    return outcome.ok


def output_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Integers and booleans have to be equal; other types are measured against the largest output."""
    if expected.dtype.kind in "iub":
        return 0.0 if np.array_equal(actual, expected) else float("inf")
    return relative_error(actual, expected)


def compare(
    model: Path,
    artifact: Path,
    inputs: Mapping[str, np.ndarray],
    result: Result,
    label: str,
    tolerance: float,
    threads: int = 1,
    patience: int = 1,
) -> dict[str, np.ndarray]:
    """Runs both once; records the largest error, and a failure if it is above the tolerance. Returns our outputs."""
    expected = reference.run(reference.session(model, threads), inputs)
    run = run_artifact(artifact, inputs, list(expected), threads=threads, timeout=120 * patience)
    if not run.ok:
        result.failure = result.failure or f"mercer-run ({label}): {run.outcome.code}: {run.outcome.message[:160]}"
        return {}
    errors = {name: output_error(run.outputs[name], array) for name, array in expected.items()}
    result.errors[label] = max(errors.values())
    worst = max(errors, key=lambda name: errors[name])
    if not errors[worst] <= tolerance:
        result.failure = result.failure or f"{label}: error {errors[worst]:.2g} of {worst} is above {tolerance:.0e}"
    return run.outputs


def timed(
    model: Path, artifact: Path, inputs: Mapping[str, np.ndarray], rounds: int = 5, seconds: float = 1.0
) -> Times | None:
    """A B A B ...: this machine's speed drifts by more than the differences we look for, and in turn both meet the
    same drift. Each round runs each side for about `seconds / rounds`. None if mercer-run fails."""
    runner = reference.session(model)
    once = min(reference.time_ms(runner, inputs, 2))
    repeat = int(min(200, max(2, seconds * 1e3 / rounds / max(once, 1e-3))))
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        run = run_artifact(artifact, inputs, (), f"--repeat={repeat}", "--warmup=1")
        if not run.ok:
            return None
        ours.append(run.median_ms)
        theirs.append(statistics.median(reference.time_ms(runner, inputs, repeat)))
    return Times(statistics.median(ours), statistics.median(theirs))
