"""Kernel methods that scikit-learn trains and skl2onnx exports: an RBF support-vector classifier (digits) and a
Gaussian-process regressor (diabetes), in f32 and f64, with a dynamic number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import skl2onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.datasets import load_diabetes, load_digits
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

SEED = 0


@dataclass(frozen=True)
class Split:
    train_x: np.ndarray
    test_x: np.ndarray
    train_y: np.ndarray
    test_y: np.ndarray


def digits() -> Split:
    data = load_digits()
    return Split(*train_test_split(data.data / 16.0, data.target, test_size=0.25, random_state=SEED))


def diabetes() -> Split:
    data = load_diabetes()
    return Split(*train_test_split(data.data, data.target, test_size=0.25, random_state=SEED))


def classifier() -> SVC:
    split = digits()
    return SVC(C=10.0, gamma="scale").fit(split.train_x, split.train_y)


def regressor() -> GaussianProcessRegressor:
    """The features of this data set lie within ±0.2, hence the bounds of the length scale; a fixed short one would
    predict a constant. The noise level is learned too."""
    split = diabetes()
    kernel = ConstantKernel(1.0) * RBF(0.2, (1e-2, 10.0)) + WhiteKernel(0.5, (1e-3, 10.0))
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=SEED)
    return process.fit(split.train_x, split.train_y)


def _export(estimator: object, path: Path, dtype: type, options: dict) -> None:
    columns = 64 if isinstance(estimator, SVC) else 10
    kind = FloatTensorType if dtype is np.float32 else DoubleTensorType
    model = skl2onnx.convert_sklearn(
        estimator,
        name=path.stem,
        initial_types=[("input", kind([None, columns]))],
        options={id(estimator): options},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    onnx.save(model, str(path))


def write_svc(path: Path, dtype: type) -> None:
    _export(classifier(), path, dtype, {"zipmap": False})


def write_gp(path: Path, dtype: type) -> None:
    _export(regressor(), path, dtype, {})


def digits_inputs(random: np.random.Generator, dtype: type, rows: int) -> dict[str, np.ndarray]:
    test = digits().test_x
    return {"input": test[random.permutation(len(test))[:rows]].astype(dtype)}


def diabetes_inputs(random: np.random.Generator, dtype: type, rows: int) -> dict[str, np.ndarray]:
    test = diabetes().test_x
    return {"input": test[random.permutation(len(test))[:rows]].astype(dtype)}
