"""One model of the demo: compiled once, run by Mercer and by ONNX Runtime on the same inputs, compared and timed."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

import numpy as np

from mercertest import comparison, reference
from mercertest.comparison import Result, Times
from mercertest.tools import run_artifact

LIMIT = 1e-4  # of the largest output


class DemoFailure(Exception):
    """A model does not compile or run: the demo says which, and goes on with the next."""


class Subject:
    def __init__(self, name: str, model: Path):
        self.name = name
        self.model = model
        self.artifact = model.with_suffix(".so")
        self.result = Result(name)
        self.error = 0.0
        self.agrees = True
        self.times: Times | None = None
        if not comparison.compiled(model, self.artifact, self.result):
            raise DemoFailure(self.result.failure)
        self._peer = reference.session(model)

    def run(self, inputs: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Outputs of Mercer and of ONNX Runtime; the largest difference is kept."""
        theirs = reference.run(self._peer, inputs)
        run = run_artifact(self.artifact, inputs, list(theirs))
        if not run.ok:
            raise DemoFailure(f"mercer-run: {run.outcome.code}: {run.outcome.message}")
        for name, expected in theirs.items():
            self.error = max(self.error, comparison.output_error(run.outputs[name], expected))
        return run.outputs, theirs

    def time(self, inputs: Mapping[str, np.ndarray]) -> None:
        self.times = comparison.timed(self.model, self.artifact, inputs)

    def same(self, agrees: bool) -> None:
        """Records whether what a person reads off both outputs is the same."""
        self.agrees = self.agrees and agrees

    @property
    def ok(self) -> bool:
        return self.agrees and self.error <= LIMIT

    def line(self) -> str:
        text = f"error {self.error:.1e} of the largest output   compiled in {self.result.compile_seconds:.2f} s"
        if self.times is not None:
            text += f"   {self.times.mercer:.3g} ms, ONNX Runtime {self.times.onnxruntime:.3g} ms (ratio {self.times.ratio:.2f})"
        if not self.agrees:
            text += "   RESULT DIFFERS FROM ONNX RUNTIME"
        elif not self.ok:
            text += f"   ERROR ABOVE {LIMIT:.0e}"
        return text
