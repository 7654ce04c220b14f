"""Compiles the test models for NVIDIA GPUs and checks every kernel with `ptxas -v` as check_ptx.py does, without a GPU.

    check_models.py [--chips sm_80,sm_90a,sm_100a] [NAME...]

One test is one kernel on one chip.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("python", "models")]

from check_ptx import CHIPS, check, find_ptxas, texts
from mercertest import report
from mercertest.tools import build_directory, compile_model
from zoo.registry import Model, selected, written


def check_model(model: Model, path: Path, chip: str, ptxas: str) -> tuple[int, list[str]]:
    """The number of kernels without a fault, and the faults."""
    with tempfile.TemporaryDirectory(prefix="mercer-ptx-") as folder:
        file = Path(folder, f"{model.name}.ptx")
        outcome = compile_model(path, file, "--target=cuda", f"--chip={chip}", "--emit=ptx", timeout=600)
        if not outcome.ok:
            return 0, [f"{model.name} ({chip}): mercerc: {outcome.code}: {outcome.message[:200]}"]
        results = [result for text in texts(file) for result in check(text, chip, ptxas)]
    faults = [f"{model.name} ({chip}): {kernel}: {fault}" for kernel, fault in results if fault]
    if not results:
        faults.append(f"{model.name} ({chip}): no kernels")
    return len(results) - len(faults) if results else 0, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="models; all without any")
    parser.add_argument("--chips", default=",".join(CHIPS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    ptxas = find_ptxas()
    if ptxas is None:
        print("no ptxas: install nvidia-cuda-nvcc (tools/requirements-nodeps.txt) or set MERCER_PTXAS")
        print(report.summary(0, 1))
        return 1
    start, passed, failed = time.monotonic(), 0, 0
    models = [(model, written(model, build_directory() / "models")) for model in selected(options.names)]
    jobs = [(model, path, chip) for model, path in models for chip in options.chips.split(",")]
    with ThreadPoolExecutor(options.jobs) as pool:
        for (model, _, chip), (right, faults) in zip(jobs, pool.map(lambda job: check_model(*job, ptxas), jobs)):
            passed, failed = passed + right, failed + len(faults)
            print(f"{model.name} ({chip}): {right} passed, {len(faults)} failed", flush=True)
            for fault in faults:
                print(f"FAILED {fault}", flush=True)
    print(f"{time.monotonic() - start:.0f} s")
    print(report.summary(passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
