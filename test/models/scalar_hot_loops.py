"""Lists hot loops that compute in scalar floating point, for every kernel of the given artifacts or test models.

A loop is looked at when it is innermost and its kernel does at least 1% of the model's floating-point operations (all
kernels, where the artifact does not say). Loads, stores and broadcasts of single values are not arithmetic. The list has
to be empty: a kernel that falls back to one lane is tens of times slower, and nothing else would say so.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from mercertest import report
from mercertest.disassembly import Function, Loop, disassemble, innermost_loops
from mercertest.tools import build_directory, compile_model

LEAST_SHARE = 0.01

_SCALAR = re.compile(
    r"^v?(add|sub|mul|div|min|max|sqrt|rcp|rsqrt|round|rndscale|reduce|scalef|getexp|getmant)(14|28)?(ss|sd|sh)$"
    r"|^vf(n)?m(add|sub)(132|213|231)(ss|sd|sh)$"
    r"|^f(add|sub|mul|div|sqrt|sin|cos|yl2x|2xm1)p?s?$"  # x87
)
_LIBRARY_CALL = re.compile(
    r"<(expf?|exp2f?|logf?|powf?|tanhf?|erff?|sinf?|cosf?|sqrtf?|fmodf?|fmaf?|__\w+)(@plt)?>"
)


@dataclass(frozen=True)
class Finding:
    function: str
    loop: Loop
    operations: Counter

    def __str__(self) -> str:
        names = " ".join(f"{name} x{count}" for name, count in self.operations.most_common(5))
        return f"{self.function} at {self.loop.begin:#x}..{self.loop.end:#x}: {names}"


def scalar_operations(loop: Loop) -> Counter:
    found: Counter = Counter()
    for instruction in loop.instructions:
        if _SCALAR.match(instruction.mnemonic):
            found[instruction.mnemonic] += 1
        call = _LIBRARY_CALL.search(instruction.operands) if instruction.mnemonic.startswith("call") else None
        if call:
            found[f"call {call.group(1)}"] += 1
    return found


def findings(functions: list[Function]) -> list[Finding]:
    result = []
    for function in functions:
        for loop in innermost_loops(function):
            operations = scalar_operations(loop)
            if operations:
                result.append(Finding(function.name, loop, operations))
    return result


def manifest(artifact: Path) -> dict:
    """The artifact's manifest, which lies in it as text; empty where there is none."""
    text = artifact.read_bytes()
    for match in re.finditer(rb'\{\s*"', text):
        head = text[match.start() : match.start() + 4096]
        if b'"abi_version"' in head or b'"entries"' in head:
            try:
                window = text[match.start() : match.start() + (64 << 20)].split(b"\0", 1)[0]
                found, _ = json.JSONDecoder().raw_decode(window.decode("utf-8", errors="replace"))
            except ValueError:
                continue
            if isinstance(found, dict) and "kernels" in found:
                return found
    return {}


def hot_kernels(content: dict) -> set[str] | None:
    """Names of the kernels with at least 1% of the operations; None where the artifact does not say."""
    flops: Counter = Counter()
    for site in content.get("sites", []):
        flops[content["kernels"][site["kernel"]]["name"]] += site.get("flops") or 0
    total = sum(flops.values())
    return {name for name, count in flops.items() if count >= LEAST_SHARE * total} if total else None


def belongs(function: str, kernels: set[str]) -> bool:
    """A kernel's functions carry its name; phases and versions of it append to it with $ or a dot."""
    return any(function == name or function.startswith((f"{name}$", f"{name}.")) for name in kernels)


def check(artifact: Path) -> list[Finding]:
    hot = hot_kernels(manifest(artifact))
    functions = disassemble(artifact)
    if hot is not None:
        functions = [function for function in functions if belongs(function.name, hot)]
        if hot and not functions:
            raise SystemExit(f"{artifact}: none of the kernels {sorted(hot)[:3]} has a symbol")
    return findings(functions)


def _artifacts(names: list[str], options: list[str]) -> list[Path]:
    from zoo.registry import selected, written

    given = [Path(name) for name in names if name.endswith(".so")]
    models = [name for name in names if not name.endswith(".so")]
    if given and not models:
        return given
    directory = build_directory() / "models"
    for model in selected(models):
        path = written(model, directory)
        artifact = directory / f"{model.name}.so"
        outcome = compile_model(path, artifact, *options, timeout=180)
        if outcome.ok:
            given.append(artifact)
        else:
            print(f"FAIL  {model.name} does not compile: {outcome.code}: {outcome.message}", flush=True)
            given.append(Path())
    return given


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="artifacts (*.so) or test models; all models without any")
    parser.add_argument("--mercerc", action="append", default=[], metavar="OPTION", help="passed on to mercerc")
    options = parser.parse_args()
    failed = passed = 0
    for artifact in _artifacts(options.names, options.mercerc):
        found = check(artifact) if artifact.name else []
        bad = bool(found) or not artifact.name
        failed, passed = failed + bad, passed + (not bad)
        if found:
            print(f"FAIL  {artifact.name}")
            print(*(f"      {finding}" for finding in found), sep="\n", flush=True)
    print(report.summary(passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
