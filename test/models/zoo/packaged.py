"""Models that installed Python packages ship: RapidOCR's detector, angle classifier and recogniser; magika's file types.

They are copied into the output directory, below build/, so that every model is found in one place.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

_FILES = {
    "ocr_det": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"),
    "ocr_cls": ("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
    "ocr_rec": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"),
    "magika": ("magika", "models/standard_v3_3/model.onnx"),
}


def locate(name: str) -> Path:
    package, file = _FILES[name]
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SystemExit(f"{package} is not installed: see tools/requirements-nodeps.txt")
    path = Path(found.origin).parent / file
    if not path.exists():
        raise SystemExit(f"{path} does not exist: {package} has another version than the pinned one")
    return path


def copy(name: str, path: Path) -> None:
    shutil.copyfile(locate(name), path)
