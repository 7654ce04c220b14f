"""Checks what an artifact promises, over small test models: equal input gives equal bytes; it needs libc and libm only;
nothing above the chosen CPU level is in its code; results do not depend on the number of threads; the hundreds of nodes of
a classifier become a few kernels.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from mercertest import report
from mercertest.disassembly import disassemble
from mercertest.tools import build_directory, compile_model, run_artifact
from scalar_hot_loops import manifest
from zoo.registry import Model, selected, written

# A support-vector classifier of ten classes: the kernel sums, and its tail of 250 nodes in two more.
_MOST_KERNELS = {"svc_f32": 3, "svc_f64": 3}

DEFAULT = ["ocr_cls", "magika", "minilm", "svc_f32", "gp_f64"]

_ALLOWED_LIBRARIES = {"libc.so.6", "libm.so.6"}
# What must not occur below a level: registers, or mnemonics of extensions.
_ABOVE = {
    "x86-64-v2": re.compile(r"^v(?!err|erw|mcall|mlaunch|mresume|mxoff)|%[yz]mm|%k[0-7]"),
    "x86-64-v3": re.compile(r"%zmm|%[xy]mm(1[6-9]|2\d|3[01])|%k[0-7]"),
    "x86-64-v4": re.compile(r"%tmm|^tdp|^tile|bf16|^v\w+ph\b|^vcvt\w*ph2?w|^vp?dpw?[bu][us]"),
}


def compiled(model: Path, name: str, *options: str) -> Path:
    artifact = model.with_name(f"{model.stem}.{name}.so")
    outcome = compile_model(model, artifact, *options, timeout=180)
    if not outcome.ok:
        raise AssertionError(f"mercerc {' '.join(options)}: {outcome.code}: {outcome.message}")
    return artifact


def same_bytes(model: Path) -> None:
    first, second = (compiled(model, name).read_bytes() for name in ("first", "second"))
    assert first == second, "two compilations give different bytes"


def imports(artifact: Path) -> None:
    dynamic = subprocess.run(["readelf", "-d", "-W", str(artifact)], check=True, capture_output=True, text=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic))
    assert needed <= _ALLOWED_LIBRARIES, f"needs {sorted(needed - _ALLOWED_LIBRARIES)}"
    symbols = subprocess.run(["nm", "-D", str(artifact)], check=True, capture_output=True, text=True).stdout
    undefined = [line.split()[-1] for line in symbols.splitlines() if " U " in line]
    foreign = [name for name in undefined if not _in_c_library(name.split("@")[0])]
    assert not foreign, f"undefined symbols {foreign}"
    exported = [line.split()[-1] for line in symbols.splitlines() if re.search(r" [TDRBV] ", line)]
    assert exported == ["mercer_module"], f"exports {exported}"


def _in_c_library(name: str) -> bool:
    import ctypes

    return any(hasattr(ctypes.CDLL(library), name) for library in _ALLOWED_LIBRARIES)


def level(artifact: Path, cpu: str) -> None:
    above = _ABOVE[cpu]
    for function in disassemble(artifact):
        for instruction in function.instructions:
            text = f"{instruction.mnemonic} {instruction.operands}"
            if above.search(text) or (cpu == "x86-64-v2" and above.search(instruction.operands)):
                raise AssertionError(f"{cpu}: {function.name} at {instruction.address:#x} holds {text}")


def kernels(model: Model, artifact: Path) -> None:
    count = len(manifest(artifact)["kernels"])
    assert count <= _MOST_KERNELS.get(model.name, count), f"{count} kernels, at most {_MOST_KERNELS[model.name]} expected"


def threads(model: Model, artifact: Path) -> None:
    inputs = model.inputs(np.random.default_rng(3), **model.sizes[0])
    described = run_artifact(artifact, inputs, ())
    assert described.ok, f"mercer-run: {described.outcome.message}"
    names = [output["name"] for output in described.report["outputs"]]
    one, many = (run_artifact(artifact, inputs, names, threads=count).outputs for count in (1, 3))
    for name in names:
        assert one[name].tobytes() == many[name].tobytes(), f"output {name} depends on the number of threads"


def check(model: Model, directory: Path) -> list[str]:
    path = written(model, directory)
    found = []

    def attempt(function, *arguments) -> None:
        try:
            function(*arguments)
        except AssertionError as error:
            found.append(f"{function.__name__}: {error}")

    try:
        artifact = compiled(path, "first")
    except AssertionError as error:
        return [str(error)]
    attempt(same_bytes, path)
    attempt(imports, artifact)
    attempt(threads, model, artifact)
    attempt(kernels, model, artifact)
    for cpu in _ABOVE:
        attempt(lambda name: level(compiled(path, name, f"--cpu={name}"), name), cpu)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=DEFAULT)
    parser.add_argument("--directory", type=Path, default=build_directory() / "models")
    options = parser.parse_args()
    models = selected(options.names)
    failed = 0
    for model in models:
        found = check(model, options.directory)
        failed += bool(found)
        print(f"{'FAIL' if found else 'ok':4}  {model.name}", *found, sep="\n      " if found else "  ", flush=True)
    print(report.summary(len(models) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
