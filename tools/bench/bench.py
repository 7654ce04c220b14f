"""Times Mercer in turn with ONNX Runtime, one thread each, over the test models and some matrix products.

`bench.py [MODEL...]`. This machine's speed drifts, so only ratios from one run are to be quoted; the versions and the
processor are printed with them, and everything is written to build/bench/results.json. Nothing here passes or fails by
time.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "test" / "python"), str(_ROOT / "test" / "models")]

import compare
import products
from mercertest import report
from mercertest.tools import build_directory


def show_products(folder: Path) -> None:
    shares = products.measure()
    rows = [
        ["x".join(map(str, share.size)), f"{share.mercer:.0f}", f"{share.onnxruntime:.0f}", f"{share.of_limit:.0%}",
         f"{share.onnxruntime / share.probe:.0%}", f"{share.onnxruntime / share.mercer:.2f}"]
        for share in shares
    ]
    headings = ["product", "Mercer GFLOP/s", "ORT GFLOP/s", "Mercer of FMA limit", "ORT of FMA limit", "ratio"]
    print(report.table(headings, rows))
    m, n, k = products.GOAL_SIZE
    print(f"goal: {products.GOAL_SHARE:.0%} of the limit at {m}x{n}x{k}\n")
    (folder / "products.json").write_text(json.dumps([asdict(share) for share in shares], indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="test models; all without any")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each side of a model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-products", action="store_true")
    options = parser.parse_args()
    folder = build_directory() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    if not options.no_products:
        show_products(folder)
    timing = ["--time", f"--seconds={options.seconds}", f"--rounds={options.rounds}", "--seed=1"]
    return compare.main([*timing, f"--json={folder / 'results.json'}", *options.names])


if __name__ == "__main__":
    sys.exit(main())
