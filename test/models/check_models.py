"""Checks the written models with ONNX Runtime alone, on inputs that were not used to scale them.

In the models with random weights every layer's output has a standard deviation of 0.3 ... 3, and two inputs give
clearly different outputs; in all models the outputs are finite. Without this, agreement with a peer would prove little.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from mercertest import reference, report
from mercertest.arrays import relative_error
from mercertest.tools import build_directory
from zoo.graph import HIGHEST_STD, LOWEST_STD
from zoo.registry import Model, selected, written

# Two inputs' outputs have to differ by this share of the largest output; errors of a compiler are thousands of times
# smaller.
LEAST_DIFFERENCE = 0.1


def _layers(model: onnx.ModelProto) -> list[str]:
    properties = {item.key: item.value for item in model.metadata_props}
    return json.loads(properties.get("layers", "[]"))


def problems(model: Model, path: Path, random: np.random.Generator) -> list[str]:
    proto = onnx.load(path)
    layers = _layers(proto)
    finals = [output.name for output in proto.graph.output]
    proto.graph.output.extend(onnx.helper.make_value_info(name, onnx.TypeProto()) for name in layers)
    if layers:
        path = path.with_suffix(".layers.onnx")
        onnx.save(proto, str(path))
    del proto
    runner = reference.session(path, threads=2)
    results = [reference.run(runner, model.inputs(random, **model.sizes[0])) for _ in range(2)]
    if layers:
        path.unlink()
    found = []
    for name in finals:
        first, second = (result[name] for result in results)
        if not all(np.isfinite(array).all() for array in (first, second)):
            found.append(f"output {name} is not finite")
        difference = relative_error(second, first)
        if not model.trained and difference < LEAST_DIFFERENCE:
            found.append(f"output {name} differs by only {difference:.2g} between two inputs")
    for name in layers:
        std = min(float(result[name].std()) for result in results), max(float(result[name].std()) for result in results)
        if std[0] < LOWEST_STD or std[1] > HIGHEST_STD:
            found.append(f"layer {name} has a standard deviation of {std[0]:.3g} ... {std[1]:.3g}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--directory", type=Path, default=build_directory() / "models")
    options = parser.parse_args()
    models = selected(options.names)
    failed = 0
    for model in models:
        found = problems(model, written(model, options.directory), np.random.default_rng(7))
        failed += bool(found)
        print(f"{'FAIL' if found else 'ok':4}  {model.name}", *found[:6], sep="\n      " if found else "  ", flush=True)
    print(report.summary(len(models) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
