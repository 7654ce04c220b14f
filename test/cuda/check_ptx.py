"""Checks the PTX of artifacts or of .ptx files with `ptxas -v`, without a GPU: no unresolved function, no local memory,
no spill, no stack frame, registers that let a block of the kernel's threads start, shared memory as the kernel claims
and within what the chip gives a block. One test is one kernel on one chip.

    check_ptx.py [--chips sm_80,sm_90a,sm_100a] FILE...

Without --chips each text is assembled for the chip that it was made for. PTX for a chip without a letter also runs on
all later ones; PTX for sm_90a only there, so other chips are left out for it.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from mercertest import report

CHIPS = ("sm_80", "sm_90a", "sm_100a")
# Shared memory that one block may ask for, and the 32-bit registers that it has.
SHARED = {"sm_80": 163, "sm_86": 99, "sm_89": 99, "sm_90a": 227, "sm_100a": 227, "sm_120a": 99}
BLOCK_REGISTERS = 65536

_TEXT = re.compile(rb"\.version[ \t]+\d+\.\d+\s*\n\.target[ \t]+sm_\w+(?:(?!\.version[ \t])[^\0])*", re.DOTALL)
_CLAIM = re.compile(r"^// mercer\.kernel (\S+) threads (\d+) shared (\d+) dynamic (\d+)$", re.MULTILINE)
_ENTRY = re.compile(r"^\.visible \.entry ([\w$]+)", re.MULTILINE)
_EXTERN = re.compile(r"^\s*\.extern\s+\.func\s+(?:\([^)]*\)\s*)?([\w$]+)", re.MULTILINE)
_LOCAL = re.compile(r"^\s*\.local\s", re.MULTILINE)
_USED = re.compile(
    r"Compiling entry function '([^']+)' for '[^']+'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
    r"(\d+) bytes spill loads.*?Used (\d+) registers(.*?)$",
    re.DOTALL | re.MULTILINE,
)


def find_ptxas(environment: str = sys.prefix) -> str | None:
    """In the order of the compiler (backends/cuda/Ptxas.cpp); last a Python environment, by default this script's."""
    if path := os.environ.get("MERCER_PTXAS"):
        return path if os.access(path, os.X_OK) else None
    places = [Path(root, "bin") for name in ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT") if (root := os.environ.get(name))]
    places += [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    places.append(Path("/usr/local/cuda/bin"))
    for prefix in filter(None, (os.environ.get("VIRTUAL_ENV"), environment)):
        places += sorted(Path(prefix).glob("lib/python3*/site-packages/nvidia/*/bin"))
    return next((str(place / "ptxas") for place in places if os.access(place / "ptxas", os.X_OK)), None)


@dataclass
class Text:
    """One PTX module of a file."""

    origin: str
    ptx: str

    @property
    def chip(self) -> str:
        return re.search(r"\.target[ \t]+(sm_\w+)", self.ptx).group(1)

    @functools.cached_property
    def claims(self) -> dict[str, tuple[int, int, int]]:
        """Threads, static and dynamic shared memory of every kernel."""
        return {name: tuple(map(int, numbers)) for name, *numbers in _CLAIM.findall(self.ptx)}

    def runs_on(self, chip: str) -> bool:
        if self.chip[-1].isalpha():
            return chip == self.chip
        return int(re.sub(r"\D", "", chip)) >= int(re.sub(r"\D", "", self.chip))


def texts(file: Path) -> Iterator[Text]:
    for match in _TEXT.finditer(file.read_bytes()):
        yield Text(file.name, match.group().decode())


def check(text: Text, chip: str, ptxas: str) -> list[tuple[str, str]]:
    """(kernel, what is wrong or "") for each kernel of one text on one chip."""
    entries = _ENTRY.findall(text.ptx)
    whole = [f"unresolved function {name}" for name in _EXTERN.findall(text.ptx)]
    whole += ["local memory"] if _LOCAL.search(text.ptx) else []
    if not entries or set(entries) != set(text.claims):
        whole.append(f"entries {entries}, but claims of {sorted(text.claims)}")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(text.ptx)
        outcome = subprocess.run(
            [ptxas, "-v", f"-arch={chip}", str(source), "-o", str(Path(folder, "kernel.cubin"))],
            capture_output=True,
            text=True,
            timeout=600,
        )
    output = outcome.stdout + outcome.stderr
    if outcome.returncode != 0:
        whole.append("ptxas: " + " ".join(output.split()))
    used = {name: rest for name, *rest in _USED.findall(output)}
    results = []
    for entry in entries or [text.origin]:
        faults = list(whole)
        if entry not in used or entry not in text.claims:
            faults += [] if faults else ["no resources in the output of ptxas"]
        else:
            faults += over_claim(used[entry], text.claims[entry], chip)
        results.append((entry, "; ".join(faults)))
    return results


def over_claim(used: list[str], claim: tuple[int, int, int], chip: str) -> Iterator[str]:
    stack, stores, loads, registers = map(int, used[:4])
    threads, shared, dynamic = claim
    if stack:
        yield f"{stack} bytes of stack"
    if stores or loads:
        yield f"spills: {stores} bytes stored, {loads} loaded"
    # Registers are given to a thread by eights.
    if -(-registers // 8) * 8 * threads > BLOCK_REGISTERS:
        yield f"{registers} registers do not fit {threads} threads"
    found = re.search(r"(\d+) bytes smem", used[4])
    memory = int(found.group(1)) if found else 0
    # Arrays that a kernel does not use are claimed and left out.
    if memory > shared:
        yield f"{memory} bytes of shared memory, claimed {shared}"
    if shared + dynamic > SHARED[chip] * 1024:
        yield f"{shared + dynamic} bytes of shared memory, {chip} gives a block {SHARED[chip]} KiB"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help="artifacts or .ptx files")
    parser.add_argument("--chips", help=f"comma-separated, for example {','.join(CHIPS)}")
    parser.add_argument("--verbose", action="store_true", help="print every kernel")
    arguments = parser.parse_args()
    ptxas = find_ptxas()
    if ptxas is None:
        print("no ptxas: install nvidia-cuda-nvcc (tools/requirements-nodeps.txt) or set MERCER_PTXAS")
        print(report.summary(0, 1))
        return 1
    jobs, failures, passed = [], [], 0
    for file in arguments.files:
        found = list(texts(file))
        if not found:
            failures.append(f"{file}: holds no PTX; with MERCER_PTXAS=none artifacts hold it instead of machine code")
        for text in found:
            chips = arguments.chips.split(",") if arguments.chips else [text.chip]
            runs = [chip for chip in chips if text.runs_on(chip)]
            if not runs:
                failures.append(f"{file}: made for {text.chip}, which runs on none of {', '.join(chips)}")
            jobs += [(text, chip) for chip in runs]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (text, chip), results in zip(jobs, pool.map(lambda job: check(*job, ptxas), jobs)):
            for kernel, fault in results:
                line = f"{text.origin}: {kernel} ({chip} from {text.chip})"
                if fault:
                    failures.append(f"{line}: {fault}")
                else:
                    passed += 1
                    if arguments.verbose:
                        print(f"{line}: passed")
    for failure in failures:
        print(f"FAILED {failure}")
    print(report.summary(passed, len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
