"""Compiles the test models, compares them with ONNX Runtime at several sizes and, with --time, times both in turn.

`compare.py [--time] [--json F] [NAME...]`; `trained` and `random` name groups. A model passes when every output at every
size is within 1e-4 of the largest output (integers equal). Time never decides.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from mercertest import comparison, report
from mercertest.comparison import Result
from mercertest.target import add_target_options, target_of
from mercertest.tools import build_directory, run_process, tool
from zoo.registry import Model, selected, written

# Of the largest output, on every model.
TOLERANCE = 1e-4


def compare(model: Model, directory: Path, options: argparse.Namespace) -> Result:
    result = Result(model.name)
    path = written(model, directory)
    target = target_of(options)
    artifact = directory / (f"{model.name}.so" if target.kind == "cpu" else f"{model.name}.{target.label}.so")
    if not comparison.compiled(path, artifact, result, *target.options, timeout=180 * target.patience):
        return result
    if wrong := target.problem(artifact):
        result.failure = wrong
        return result
    random = np.random.default_rng(options.seed)
    sizes = model.sizes[:1] if options.first_size else model.sizes
    cases = [(comparison.describe(size), model.inputs(random, **size)) for size in sizes]
    for label, inputs in cases:
        comparison.compare(path, artifact, inputs, result, label, TOLERANCE, patience=target.patience)
    if options.time and result.errors:
        for label, inputs in cases if options.all_sizes else cases[:1]:
            times = comparison.timed(path, artifact, inputs, options.rounds, options.seconds)
            if times is not None:
                result.times[label] = times
    return result


def row(result: Result) -> list[str]:
    error = f"{result.error:.1e}" if result.errors else "-"
    first = next(iter(result.times.items()), None)
    times = ["-"] * 4 if first is None else [
        first[0], f"{first[1].mercer:.3g}", f"{first[1].onnxruntime:.3g}", f"{first[1].ratio:.2f}"
    ]
    peak = f"{result.compile_peak_bytes / 1e9:.2f}"
    return [result.name, error, f"{result.compile_seconds:.1f}", peak, *times, result.failure or "ok"]


HEADINGS = ["model", "error", "compile s", "peak GB", "sizes", "Mercer ms", "ORT ms", "ratio", "result"]


def versions() -> dict[str, str]:
    mercer = run_process([tool("mercerc"), "--version"]).stdout.strip()
    processor = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    return {"mercer": mercer, "onnxruntime": onnxruntime.__version__, "processor": processor, "threads": "1"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--directory", type=Path, default=build_directory() / "models")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    parser.add_argument("--jobs", type=int, help="models at a time; default 2, and 1 with --time")
    parser.add_argument("--first-size", action="store_true", help="compare only the first of each model's sizes")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--all-sizes", action="store_true", help="time every size, not only the first")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each side and size")
    parser.add_argument("--json", type=Path)
    add_target_options(parser)
    options = parser.parse_args(arguments)
    options.directory.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}", flush=True)
    jobs = 1 if options.time else options.jobs or 2
    with ThreadPoolExecutor(jobs) as pool:
        results = []
        for result in pool.map(lambda model: compare(model, options.directory, options), selected(options.names)):
            results.append(result)
            print(f"{result.name}: {result.failure or 'ok'}", flush=True)
    print()
    print(report.table(HEADINGS, map(row, results)))
    if options.json:
        content = {"versions": versions(), "models": [result.as_json() for result in results]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    ratios = [times.ratio for result in results for times in result.times.values()]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"ratio above 1: Mercer is slower; geometric mean {mean:.2f}, largest {max(ratios):.2f}")
        print(", ".join(f"{name} {value}" for name, value in versions().items()))
    failed = sum(not result.ok for result in results)
    print(report.summary(len(results) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
