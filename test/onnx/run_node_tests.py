"""Runs the ONNX node test cases through mercerc and mercer-run and compares with the expected outputs.

A case passes as onnx' own runner decides (rtol 1e-3, atol 1e-7, equal types and shapes). Cases in known_failures.txt are
expected to fail: one that passes is an error, so that the list can only shrink. For another target than the CPU, the cases
that pass on the CPU are run, and the list is known_failures_TARGET.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from known_failures import KnownFailures, by_reason
from mercertest import report
from mercertest.target import Target, add_target_options, sampled, target_of
from mercertest.tools import build_directory, compile_model, run_artifact, tool
from node_cases import Case, NotAnArray, all_cases, difference

COMPILE_LIMIT, RUN_LIMIT = 30.0, 15.0


def run_case(case: Case, target: Target) -> tuple[str, str]:
    """Reason (empty when the case passes) and a line about it."""
    with tempfile.TemporaryDirectory(prefix="mercer-node-") as folder:
        artifact = Path(folder, "case.so")
        outcome = compile_model(case.model, artifact, *target.options, timeout=COMPILE_LIMIT)
        if not outcome.ok:
            return outcome.code, outcome.message
        if wrong := target.problem(artifact):
            return "invalid-code", wrong
        try:
            inputs, expected = case.tensors("input"), case.tensors("output")
        except NotAnArray as error:
            return "no-npy", str(error)
        run = run_artifact(artifact, inputs, list(expected), timeout=RUN_LIMIT * target.patience)
        if not run.ok:
            return run.outcome.code, run.outcome.message
    for name, array in expected.items():
        reason = difference(run.outputs[name], array, case)
        if reason:
            return reason, f"output {name}"
    return "", ""


class Cache:
    """Results of the same tools and options, so that a second run only repeats what failed to be run."""

    def __init__(self, path: Path, options: list[str]):
        self.path = path
        parts = [tool("mercerc"), tool("mercer-run"), *sorted(build_directory().glob("lib/*.so*"))]
        text = repr([(str(part), part.stat().st_mtime_ns, part.stat().st_size) for part in parts] + options)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        self.results: dict[str, tuple[str, str]] = {}
        if path.exists():
            stored = json.loads(path.read_text())
            if stored["key"] == self.key:
                self.results = {case: tuple(result) for case, result in stored["results"].items()}

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"key": self.key, "results": self.results}))


def judge(results: dict[str, tuple[str, str]], known: KnownFailures) -> list[str]:
    """The lines of what fails this run: new failures, unexpected passes, crashes that were not known as such."""
    lines = []
    for case, (reason, message) in results.items():
        listed = known.reasons.get(case)
        if reason and (listed is None or (reason in ("crash", "timeout") and listed != reason)):
            lines.append(f"FAIL  {case}  {reason}  {message}")
        elif listed and not reason:
            lines.append(f"UNEXPECTED PASS  {case}  (listed as {listed}: take it off the list)")
    if known.too_long:
        lines.append(f"FAIL  {known.path.name} has {len(known.reasons)} cases, at most {known.limit} are allowed")
    return lines


def by_message(results: dict[str, tuple[str, str]]) -> list[str]:
    """Failures with one cause together, the most frequent first, with a case to look at."""
    groups: dict[str, list[str]] = {}
    for case, (reason, message) in results.items():
        if reason:
            text = re.sub(r"node '[^']*'|\d+|<[^>]*>", "_", message.removeprefix(f"[{reason}] "))
            groups.setdefault(f"{reason}  {text[:150]}", []).append(case)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [f"{len(cases):5}  {text}   e.g. {cases[0]}" for text, cases in ordered]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="", help="only cases whose name matches this regular expression")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fresh", action="store_true", help="do not use stored results of the same build")
    parser.add_argument("--verbose", action="store_true", help="print every case that does not pass")
    parser.add_argument("--causes", action="store_true", help="print the failures grouped by their messages")
    parser.add_argument("--update-known-failures", action="store_true")
    parser.add_argument("--grow", action="store_true", help="let the update add new failures; needs a good reason")
    parser.add_argument("--known-failures", type=Path, help="default: known_failures.txt, with the target's name behind it")
    parser.add_argument("--sample", type=int, metavar="N", help="only N cases, chosen by --seed")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    add_target_options(parser)
    options = parser.parse_args()

    pattern = re.compile(options.filter)
    target = target_of(options)
    cases = [case for case in all_cases() if pattern.search(case.name)]
    path = Path(__file__).with_name("known_failures.txt")
    if target.kind != "cpu":  # what the CPU backend cannot do is no matter of another
        of_cpu = KnownFailures(path)
        cases = [case for case in cases if case.name not in of_cpu.reasons]
        path = path.with_stem(f"known_failures_{target.label}")
    if options.sample is not None:
        print(f"seed {options.seed}")
    cases = sampled(cases, options.sample, options.seed)
    cache = Cache(build_directory() / "onnx-nodes" / f"results-{target.label}.json", target.options)
    wanted = [case for case in cases if options.fresh or case.name not in cache.results]
    start = time.monotonic()
    pool = ThreadPoolExecutor(options.jobs)
    try:
        for case, result in zip(wanted, pool.map(lambda case: run_case(case, target), wanted)):
            cache.results[case.name] = result
    finally:  # an interrupted run keeps what it has
        pool.shutdown(cancel_futures=True)
        cache.save()

    results = {case.name: cache.results[case.name] for case in cases}
    reasons = {case: reason for case, (reason, _) in results.items()}
    known = KnownFailures(options.known_failures or path)
    if options.update_known_failures:
        for case in known.update(reasons, options.grow):
            print(f"not added: {case} {reasons[case]}")
    if options.verbose:
        for case, (reason, message) in results.items():
            if reason:
                print(f"{case}  {reason}  {message}")
    if options.causes:
        print(*by_message(results), sep="\n")
    lines = judge(results, known)
    print(*lines, sep="\n", end="\n" if lines else "")
    failing = {case: reason for case, reason in reasons.items() if reason}
    print(f"{len(wanted)} cases run in {time.monotonic() - start:.0f} s, {len(cases) - len(wanted)} from the same build before")
    print(f"known failures: {sum(case in known.reasons for case in failing)}   by reason: {by_reason(failing)}")
    print(report.summary(len(results) - len(failing), len(lines)))
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
