"""Writes test models into a directory: `write_models.py [--external] [--directory D] [NAME...]`, all without a name."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from mercertest.tools import build_directory
from zoo.registry import MODELS, selected


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"trained, random, or any of: {', '.join(MODELS)}")
    parser.add_argument("--directory", type=Path, default=build_directory() / "models")
    parser.add_argument("--external", action="store_true", help="weights of the written graphs in a file of their own")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    for model in selected(options.names):
        start = time.monotonic()
        path = options.directory / f"{model.name}.onnx"
        model.write(path, options.external)
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB  {time.monotonic() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
