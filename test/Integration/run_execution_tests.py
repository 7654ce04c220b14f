"""Runs operators on every element type against float64 NumPy, on fresh random inputs of odd, prime, large and empty
shapes. One test is one model, run on several inputs; mercer-run fills outputs with poison first.

The seed is printed: `--seed=N --filter=NAME` repeats a failure, `--keep=DIR` writes its model and arrays there.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from cases import attention, contraction, elementwise, empty, kernels, movement, reduction, variants
from cases.core import EPSILON, Group, Variant, dtype_of
from mercertest import report
from mercertest.arrays import save_array
from mercertest.target import add_target_options, sampled, target_of
from mercertest.tools import compile_model, run_artifact

COMPILE_LIMIT, RUN_LIMIT = 60.0, 30.0


def all_groups(seed: int) -> Iterator[Group]:
    """Every recipe draws from its own generator, so that --filter does not change what the others get."""
    for number, module in enumerate((elementwise, reduction, movement, contraction, attention)):
        for index, recipe in enumerate(module.recipes(np.random.default_rng([seed, number]))):
            yield from recipe.groups(np.random.default_rng([seed, number, index]))
    yield from attention.groups(np.random.default_rng([seed, 100]))
    yield from kernels.groups(np.random.default_rng([seed, 101]))
    yield from variants.groups(np.random.default_rng([seed, 102]))
    yield from empty.groups(np.random.default_rng([seed, 103]))


def problem(actual: np.ndarray, expected: np.ndarray, group: Group) -> str:
    if actual.shape != expected.shape:
        return f"has shape {actual.shape}, expected {expected.shape}"
    if actual.dtype.kind in "iub" and expected.dtype.kind in "iub":
        wrong = np.flatnonzero((actual != expected).ravel())
        if wrong.size or actual.dtype != expected.dtype:
            at = wrong[:1]
            return f"{wrong.size} of {expected.size} differ ({actual.dtype}), first {actual.ravel()[at]} for {expected.ravel()[at]}"
        return ""
    if expected.size == 0:
        return ""
    got = actual.astype(np.float64)
    if not np.array_equal(np.isfinite(got), np.isfinite(expected)):
        return f"{np.count_nonzero(np.isfinite(got) != np.isfinite(expected))} of {expected.size} are not finite where they should be"
    special = ~np.isfinite(expected)
    if not np.array_equal(got[special], expected[special], equal_nan=True):
        return f"infinities or NaN differ: {got[special][:4]}, expected {expected[special][:4]}"
    epsilon = EPSILON[dtype_of(actual)]
    largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0))
    scale = np.maximum(np.abs(expected), 1e-2 * largest) if group.by_element else np.full(expected.shape, largest)
    scale = np.maximum(scale, group.floor)
    # Half a unit is the rounding of a result that is exact otherwise. Below the normal range precision ends.
    smallest = {"f16": 2.0**-24, "f32": 2.0**-126, "bf16": 2.0**-126, "f64": 2.0**-1022}[dtype_of(actual)]
    allowed = (group.units + 0.5) * epsilon * scale + smallest
    with np.errstate(invalid="ignore"):
        error = np.where(np.isfinite(expected), np.abs(got - expected), 0) / allowed
    worst = int(np.argmax(error))
    if error.flat[worst] > 1:
        at = tuple(int(place) for place in np.unravel_index(worst, expected.shape))
        return f"{got.flat[worst]!r} at {at}, expected {expected.flat[worst]!r}: {error.flat[worst]:.3g} times the allowed error"
    return ""


def keep(folder: Path, group: Group, variant: Variant) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, arrays in (("in", variant.inputs), ("expected", variant.expected)):
        for name, array in arrays.items():
            save_array(folder / f"{kind}.{name}.npy", array)


def run_group(group: Group, options: argparse.Namespace) -> str:
    """Empty when everything is right, else what is wrong."""
    target = target_of(options)
    with tempfile.TemporaryDirectory(prefix="mercer-execution-") as folder:
        text = isinstance(group.model, str)
        model = Path(folder, "model.mlir" if text else "model.onnx")
        model.write_bytes(group.model.encode() if text else group.model)
        if options.keep:
            kept = options.keep / group.name
            kept.mkdir(parents=True, exist_ok=True)
            (kept / model.name).write_bytes(model.read_bytes())
        artifact = Path(folder, "model.so")
        outcome = compile_model(model, artifact, *target.options, timeout=COMPILE_LIMIT)
        if not outcome.ok:
            return f"mercerc: {outcome.code}: {outcome.message[:200]}"
        if wrong := target.problem(artifact):
            return wrong
        for variant in group.variants:
            shapes = ", ".join(f"{name}{list(array.shape)}" for name, array in variant.inputs.items())
            run = run_artifact(artifact, variant.inputs, list(variant.expected), timeout=RUN_LIMIT * target.patience)
            found = "" if run.ok else f"mercer-run: {run.outcome.code}: {run.outcome.message[:200]}"
            for name, expected in variant.expected.items():
                if not found:
                    wrong = problem(run.outputs[name], expected, group)
                    found = f"{name}: {wrong}" if wrong else ""
            if found:
                if options.keep:
                    keep(options.keep / group.name, group, variant)
                return f"{found}   inputs {shapes}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--filter", default="", help="only tests whose name matches this regular expression")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="write models, inputs and expected outputs below this folder")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--sample", type=int, metavar="N", help="only N tests, chosen by the seed")
    add_target_options(parser)
    options = parser.parse_args()

    groups = [group for group in all_groups(options.seed) if re.search(options.filter, group.name)]
    groups = sampled(groups, options.sample, options.seed)
    if options.list:
        print(*(group.name for group in groups), sep="\n")
        return 0
    print(f"seed {options.seed}, {len(groups)} tests", flush=True)
    start, failed = time.monotonic(), 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for group, found in zip(groups, pool.map(lambda group: run_group(group, options), groups)):
            if found:
                failed += 1
                print(f"FAIL  {group.name}  {found}", flush=True)
    print(f"{time.monotonic() - start:.0f} s; repeat with --seed={options.seed}")
    print(report.summary(len(groups) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
