"""Gives mercerc and mercer-run damaged models, wrong inputs and a full disk.

Each has to end with status 2, 3 or 4 and a coded message, without a crash, within a time limit, and without leaving an
output file or a temporary one behind.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from hostile_models import Hostile, contradictory, damaged, outside, small_model
from mercertest import report
from mercertest.tools import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_REFUSED,
    EXIT_USAGE,
    Outcome,
    compile_model,
    run_process,
    tool,
)

COMPILE_LIMIT, RUN_LIMIT = 60.0, 20.0
# A damaged size must not make the compiler ask for all of the machine's memory.
ADDRESS_SPACE = 8 << 30


def refused(outcome: Outcome, statuses: tuple[int, ...], mentions: list[str]) -> str:
    """Empty when the run was refused as it should be; else what is wrong."""
    if outcome.timed_out:
        return f"timeout after {outcome.seconds:.0f} s"
    if outcome.status < 0 or outcome.status >= 128:
        return f"crashed with status {outcome.status}: {outcome.stderr[-160:].strip()}"
    if outcome.status not in statuses:
        return f"status {outcome.status}, expected one of {statuses}: {outcome.message[:120]}"
    if not outcome.code.startswith("E"):
        return f"no code in the message: {outcome.message[:120]}"
    missing = [text for text in mentions if text not in outcome.stderr]
    return f"message does not name {missing}: {outcome.message[:120]}" if missing else ""


def left_behind(folder: Path, before: set[Path]) -> str:
    extra = sorted(str(path.relative_to(folder)) for path in set(folder.rglob("*")) - before)
    return f"left behind: {extra}" if extra else ""


def _limit(kind: int, size: int) -> None:
    resource.setrlimit(kind, (size, size))


def _full_disk(size: int) -> dict:
    """Makes every write beyond `size` bytes of a file fail. A disk that is full sends no signal; with SIGXFSZ ignored, as
    Python leaves it, the limit sends none either."""
    return {"preexec_fn": partial(_limit, resource.RLIMIT_FSIZE, size), "restore_signals": False}


def check_model(case: Hostile) -> str:
    with tempfile.TemporaryDirectory(prefix="mercer-hostile-") as name:
        folder = Path(name)
        model = case.write(folder)
        artifact = folder / "out.so"
        before = set(folder.rglob("*"))
        limit = partial(_limit, resource.RLIMIT_AS, ADDRESS_SPACE)
        outcome = compile_model(model, artifact, timeout=COMPILE_LIMIT, preexec_fn=limit)
        if outcome.ok and case.may_compile:
            return "" if artifact.exists() else "status 0, but there is no artifact"
        statuses = (EXIT_REFUSED,)
        return refused(outcome, statuses, case.mentions) or left_behind(folder, before)


class Running:
    """Wrong inputs and damaged artifacts at run time; `artifact` is that of `small_model`."""

    def __init__(self, artifact: Path):
        self.artifact = artifact
        self.good = np.zeros((1, 3, 8, 8), np.float32)

    def run(self, folder: Path, *options: str, artifact: Path | None = None, **popen) -> Outcome:
        command = [tool("mercer-run"), artifact or self.artifact, "--threads=1", *options]
        return run_process(command, RUN_LIMIT, cwd=folder, **popen)

    def with_input(self, folder: Path, array: np.ndarray) -> str:
        np.save(folder / "x.npy", array)
        before = set(folder.rglob("*"))
        outcome = self.run(folder, "--input", "x=x.npy", "--output", "y=y.npy")
        return refused(outcome, (EXIT_FAILED,), ["x"]) or left_behind(folder, before)

    def with_file(self, folder: Path, data: bytes) -> str:
        (folder / "x.npy").write_bytes(data)
        before = set(folder.rglob("*"))
        outcome = self.run(folder, "--input", "x=x.npy", "--output", "y=y.npy")
        return refused(outcome, (EXIT_USAGE, EXIT_REFUSED, EXIT_FAILED), []) or left_behind(folder, before)

    def with_arguments(self, folder: Path, *options: str) -> str:
        np.save(folder / "x.npy", self.good)
        return refused(self.run(folder, *options), (EXIT_USAGE, EXIT_REFUSED, EXIT_FAILED), [])

    def with_artifact(self, folder: Path, data: bytes) -> str:
        np.save(folder / "x.npy", self.good)
        (folder / "damaged.so").write_bytes(data)
        outcome = self.run(folder, "--input", "x=x.npy", artifact=folder / "damaged.so")
        return refused(outcome, (EXIT_USAGE, EXIT_REFUSED, EXIT_FAILED), [])

    def without_space(self, folder: Path) -> str:
        """Writing more than a few bytes fails, as on a full disk."""
        np.save(folder / "x.npy", self.good)
        before = set(folder.rglob("*"))
        outcome = self.run(folder, "--input", "x=x.npy", "--output", "y=y.npy", **_full_disk(16))
        return refused(outcome, (EXIT_FAILED,), []) or left_behind(folder, before)

    def cases(self, random: np.random.Generator) -> Iterator[tuple[str, Callable[[Path], str]]]:
        wrong = {
            "dtype-f64": self.good.astype(np.float64),
            "dtype-i32": self.good.astype(np.int32),
            "dtype-f16": self.good.astype(np.float16),
            "rank-3": self.good[0],
            "rank-5": self.good[None],
            "rank-0": np.float32(1),
            "size": np.zeros((1, 3, 8, 9), np.float32),
            "channels": np.zeros((1, 4, 8, 8), np.float32),
            "empty": np.zeros((0, 3, 8, 8), np.float32),
        }
        for name, array in wrong.items():
            yield f"run-{name}", lambda folder, array=array: self.with_input(folder, np.asarray(array))
        whole = _npy(self.good)
        huge = whole.replace(b"(1, 3, 8, 8), }", b"(1, 3, 8, 99999999999), }")[: len(whole)]
        broken = {"empty": b"", "text": b"hello", "truncated": whole[:200], "header": whole[:40], "huge-shape": huge}
        for name, data in broken.items():
            yield f"run-npy-{name}", lambda folder, data=data: self.with_file(folder, data)
        arguments = {
            "missing-input": [],
            "unknown-input": ["--input", "nothing=x.npy"],
            "input-twice": ["--input", "x=x.npy", "--input", "x=x.npy"],
            "missing-file": ["--input", "x=nowhere.npy"],
            "unknown-output": ["--input", "x=x.npy", "--output", "nothing=y.npy"],
            "unknown-option": ["--input", "x=x.npy", "--no-such-option"],
            "output-in-missing-folder": ["--input", "x=x.npy", "--output", "y=no/such/y.npy"],
        }
        for name, options in arguments.items():
            yield f"run-{name}", lambda folder, options=options: self.with_arguments(folder, *options)
        data = self.artifact.read_bytes()
        for number in range(4):
            length = int(random.integers(len(data)))
            yield f"artifact-truncated-{length}", lambda folder, length=length: self.with_artifact(folder, data[:length])
            changed = bytearray(data)
            # Zeros may be padding, which no digest covers and nothing reads.
            place = int(random.choice(np.flatnonzero(np.frombuffer(data, np.uint8))))
            changed[place] ^= 0xFF
            yield f"artifact-flipped-{place}", lambda folder, changed=bytes(changed): self.with_artifact(folder, changed)
        yield "artifact-is-a-text", lambda folder: self.with_artifact(folder, b"#!/bin/sh\necho hello\n")
        yield "run-full-disk", self.without_space


def _npy(array: np.ndarray) -> bytes:
    import io

    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def compile_without_space(model: Path, size: int, folder: Path) -> str:
    artifact = folder / "out.so"
    before = set(folder.rglob("*"))
    outcome = compile_model(model, artifact, timeout=COMPILE_LIMIT, **_full_disk(size))
    return refused(outcome, (EXIT_REFUSED, EXIT_FAILED), []) or left_behind(folder, before)


def compile_into(model: Path, artifact: Path, folder: Path) -> str:
    before = set(folder.rglob("*"))
    outcome = compile_model(model, artifact, timeout=COMPILE_LIMIT)
    return refused(outcome, (EXIT_USAGE, EXIT_REFUSED, EXIT_FAILED), []) or left_behind(folder, before)


def compile_cases(model: Path) -> Iterator[tuple[str, Callable[[Path], str]]]:
    for size in (0, 1000, 8000):
        yield f"compile-full-disk-{size}", lambda folder, size=size: compile_without_space(model, size, folder)
    yield "compile-to-missing-folder", lambda folder: compile_into(model, folder / "no" / "such" / "out.so", folder)
    yield "compile-to-folder", lambda folder: compile_into(model, folder, folder)
    yield "compile-missing-model", lambda folder: compile_into(folder / "nothing.onnx", folder / "out.so", folder)
    yield "compile-a-folder", lambda folder: compile_into(folder, folder / "out.so", folder)


def in_folder(check: Callable[[Path], str]) -> str:
    with tempfile.TemporaryDirectory(prefix="mercer-hostile-") as name:
        return check(Path(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--filter", default="", help="only cases whose name holds this")
    parser.add_argument("--truncations", type=int, default=60)
    parser.add_argument("--flips", type=int, default=240)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="write the models of failed cases into this folder")
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    print(f"seed {options.seed}", flush=True)

    models = [*damaged(random, options.truncations, options.flips), *contradictory(), *outside()]
    checks: list[tuple[str, Callable[[], str]]] = [(case.name, partial(check_model, case)) for case in models]
    with tempfile.TemporaryDirectory(prefix="mercer-hostile-good-") as name:
        good = Path(name, "good.onnx")
        good.write_bytes(small_model().SerializeToString())
        artifact = Path(name, "good.so")
        outcome = compile_model(good, artifact, timeout=COMPILE_LIMIT)
        checks += [(name, partial(in_folder, check)) for name, check in compile_cases(good)]
        if outcome.status == EXIT_DONE:
            checks += [(name, partial(in_folder, check)) for name, check in Running(artifact).cases(random)]
        else:
            message = f"the undamaged model does not compile: {outcome.message}"
            checks.append(("undamaged-model", lambda: message))
        checks = [(name, check) for name, check in checks if options.filter in name]
        with ThreadPoolExecutor(options.jobs) as pool:
            failed = 0
            for (name, _), found in zip(checks, pool.map(lambda item: item[1](), checks)):
                if found:
                    failed += 1
                    print(f"FAIL  {name}  {found}", flush=True)
                    if options.keep:
                        for case in models:
                            if case.name == name:
                                (options.keep / name).mkdir(parents=True, exist_ok=True)
                                case.write(options.keep / name)
    print(f"repeat with --seed={options.seed}")
    print(report.summary(len(checks) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
