"""Runs mercerc and mercer-run as child processes, with a time limit, and reads their coded messages.

The tools are looked for in $MERCER_BUILD/bin (default: build/bin of this checkout), so that the same scripts test an
installed compiler too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np

from .arrays import load_array, save_array

EXIT_DONE, EXIT_DIFFERS, EXIT_USAGE, EXIT_REFUSED, EXIT_FAILED = range(5)

_CODE = re.compile(r"\[(E\d{4})\]")


def repository() -> Path:
    return Path(__file__).resolve().parents[3]


def build_directory() -> Path:
    return Path(os.environ.get("MERCER_BUILD", repository() / "build"))


def tool(name: str) -> Path:
    path = build_directory() / "bin" / name
    if not path.exists():
        raise SystemExit(f"{path} does not exist: build Mercer first (tools/dev build), or set MERCER_BUILD")
    return path


@dataclass
class Outcome:
    """How one tool run ended. `status` is negative when a signal ended it."""

    status: int
    seconds: float
    stdout: str
    stderr: str
    timed_out: bool = False
    peak_bytes: int = 0

    @property
    def ok(self) -> bool:
        return self.status == EXIT_DONE and not self.timed_out

    @property
    def code(self) -> str:
        """The first Exxxx code of the messages; `timeout`, `crash` or `exit-N` where there is none."""
        if self.timed_out:
            return "timeout"
        if self.status < 0 or self.status >= 128:
            return "crash"
        match = _CODE.search(self.stderr)
        return match.group(1) if match else f"exit-{self.status}"

    @property
    def message(self) -> str:
        """The first message from its code on, or else the last line that says something."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        coded = [line[match.start() :] for line in lines if (match := _CODE.search(line))]
        return (coded or lines[-1:] or [""])[0].strip()


class _Watcher(threading.Thread):
    """Ends a process group after a time limit, and reads VmHWM meanwhile: getrusage would report this process's own
    size where that is larger, because a child starts as a copy of it."""

    def __init__(self, process: int, limit: float):
        super().__init__(daemon=True)
        self.expired = False
        self.peak_bytes = 0
        self._process = process
        self._deadline = time.monotonic() + limit
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._done.wait(0.02):
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{self._process}/status").read_text().splitlines()
                peak = next(line for line in lines if line.startswith("VmHWM:"))
                self.peak_bytes = max(self.peak_bytes, int(peak.split()[1]) * 1024)
            if time.monotonic() > self._deadline and not self._done.is_set():
                self.expired = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process, signal.SIGKILL)
                return

    def stop(self) -> None:
        self._done.set()
        self.join()


def run_process(command: Sequence[str | Path], timeout: float = 120, **popen) -> Outcome:
    """Runs a command in its own process group, so that a time limit ends its children too."""
    start = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **popen,
    )
    watcher = _Watcher(process.pid, timeout)
    out, err = process.communicate()
    watcher.stop()
    return Outcome(
        status=process.returncode,
        seconds=time.monotonic() - start,
        stdout=out.decode(errors="replace"),
        stderr=err.decode(errors="replace"),
        timed_out=watcher.expired,
        peak_bytes=watcher.peak_bytes,
    )


def compile_model(model: Path, artifact: Path, *options: str, timeout: float = 120, **popen) -> Outcome:
    return run_process([tool("mercerc"), model, "-o", artifact, "--quiet", *options], timeout, **popen)


@dataclass
class Run:
    """One mercer-run: its outcome, its --json report and the outputs asked for."""

    outcome: Outcome
    report: dict = field(default_factory=dict)
    outputs: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.outcome.ok

    @property
    def median_ms(self) -> float:
        return float(self.report["time_ms"]["median"])


def run_artifact(
    artifact: Path,
    inputs: Mapping[str, np.ndarray],
    outputs: Sequence[str] = (),
    *options: str,
    threads: int = 1,
    timeout: float = 120,
    **popen,
) -> Run:
    """Runs an artifact on arrays; the outputs come back in the element types that the artifact declares."""
    with tempfile.TemporaryDirectory(prefix="mercer-run-") as folder:
        command: list[str | Path] = [tool("mercer-run"), artifact, "--json", f"--threads={threads}"]
        for number, (name, array) in enumerate(inputs.items()):
            path = Path(folder, f"in{number}.npy")
            save_array(path, array)
            command += ["--input", f"{name}={path}"]
        paths = {name: Path(folder, f"out{number}.npy") for number, name in enumerate(outputs)}
        for name, path in paths.items():
            command += ["--output", f"{name}={path}"]
        outcome = run_process([*command, *options], timeout, **popen)
        if not outcome.ok:
            return Run(outcome)
        try:
            report = json.loads(outcome.stdout)
            dtypes = {item["name"]: item["dtype"] for item in report.get("outputs", [])}
            arrays = {name: load_array(path, dtypes.get(name)) for name, path in paths.items()}
        except (ValueError, KeyError, OSError) as error:
            outcome.status = EXIT_FAILED
            outcome.stderr += f"\nmercer-run's report or outputs cannot be read: {error}"
            return Run(outcome)
        return Run(outcome, report, arrays)
