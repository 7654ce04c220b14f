"""Compiles and runs seven trained models on real input, each beside ONNX Runtime at one thread.

For each: a result to judge by eye, the largest difference, the compile time and both times (in turn, medians).
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Callable

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "test" / "python"), str(_ROOT / "test" / "models")]

import convolution
import kernels
import sentences
from mercertest import report
from mercertest.tools import build_directory
from subject import DemoFailure, Subject
from zoo.registry import MODELS, written

# Title, models in the order of the function's arguments, the function.
PARTS: list[tuple[str, list[str], Callable[..., list[str]]]] = [
    ("PP-OCRv4 reads a rendered page (convolution and attention)", ["ocr_det", "ocr_cls", "ocr_rec"], convolution.read_page),
    ("magika names the types of files (convolution)", ["magika"], convolution.name_files),
    ("MiniLM-L6 ranks sentences (attention)", ["minilm"], sentences.rank),
    ("RBF support-vector classifier (kernel method)", ["svc_f32", "svc_f64"], kernels.classify),
    ("Gaussian-process regressor (kernel method)", ["gp_f32", "gp_f64"], kernels.regress),
]


def main() -> int:
    warnings.filterwarnings("ignore")  # scikit-learn's and skl2onnx' about each other's versions
    directory = build_directory() / "models"
    passed = failed = 0
    for title, names, show in PARTS:
        print(f"\n== {title}", flush=True)
        subjects: list[Subject] = []
        try:
            for name in names:
                subjects.append(Subject(name, written(MODELS[name], directory)))
            print(*(f"   {line}" for line in show(*subjects)), sep="\n")
        except DemoFailure as failure:
            print(f"   FAILED: {failure}")
            failed += len(names)
            continue
        for subject in subjects:
            print(f"   {subject.name + ':':9}{subject.line()}", flush=True)
            passed, failed = passed + subject.ok, failed + (not subject.ok)
    print()
    print(report.summary(passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
