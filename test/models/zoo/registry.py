"""Every model by name: how to write it, inputs for it, and the sizes at which it is compared and timed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable, Mapping, Sequence

import numpy as np

from . import attention, convolution, kernel_methods, minilm, packaged, samples

Sizes = Mapping[str, int]
Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    name: str
    family: str
    write: Callable[[Path, bool], None]
    inputs: Callable[..., Inputs]
    # The first is the one that is timed.
    sizes: Sequence[Sizes] = field(default_factory=lambda: [{}])
    trained: bool = False


def _image(random: np.random.Generator, batch: int = 1) -> Inputs:
    return {"input": samples.images(random, batch, 224)}


def _bert(random: np.random.Generator, batch: int, sequence: int) -> Inputs:
    ids = samples.tokens(random, batch, sequence, attention.VOCABULARY)
    mask = samples.token_mask(random, batch, sequence)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def _minilm(random: np.random.Generator, batch: int, length: int) -> Inputs:
    ids = samples.tokens(random, batch, length, minilm.VOCABULARY)
    return {"input_ids": ids, "attention_mask": samples.token_mask(random, batch, length)}


def _gpt2(random: np.random.Generator) -> Inputs:
    return {"input_ids": samples.tokens(random, 1, attention.LENGTH, attention.GPT2_VOCABULARY)}


def _gpt2_decode(random: np.random.Generator, past: int) -> Inputs:
    result = {"input_ids": samples.tokens(random, 1, 1, attention.GPT2_VOCABULARY)}
    shape = (1, attention.HEADS, past, attention.HEAD_SIZE)
    for index in range(attention.LAYERS):
        for kind, std in (("key", attention.QUERY_STD), ("value", attention.VALUE_STD)):
            result[f"past_{kind}_{index}"] = random.standard_normal(shape, dtype=np.float32) * np.float32(std)
    return result


def _text_image(random: np.random.Generator, height: int, width: int, batch: int = 1) -> Inputs:
    return {"x": samples.text(random, batch, height, width)}


def _bytes(random: np.random.Generator, batch: int) -> Inputs:
    """What magika's feature extraction gives: 1,024 bytes from each end, 256 where a file is shorter."""
    content = random.integers(32, 127, (batch, 2048), dtype=np.int32)
    content[:, 700:1024] = 256
    return {"bytes": content}


def _kernel_method(name: str, dtype: type) -> Model:
    writer = {"svc": kernel_methods.write_svc, "gp": kernel_methods.write_gp}[name]
    inputs = {"svc": kernel_methods.digits_inputs, "gp": kernel_methods.diabetes_inputs}[name]
    bits = np.dtype(dtype).itemsize * 8
    return Model(
        f"{name}_f{bits}",
        "kernel method",
        lambda path, external: writer(path, dtype),
        lambda random, rows: inputs(random, dtype, rows),
        sizes=[{"rows": 100}, {"rows": 1}, {"rows": 37}],
        trained=True,
    )


def _packaged(name: str, family: str, inputs: Callable[..., Inputs], sizes: Sequence[Sizes]) -> Model:
    copy = partial(packaged.copy, name)
    return Model(name, family, lambda path, external: copy(path), inputs, sizes, trained=True)


_MODELS = [
    _packaged("ocr_rec", "convolution", partial(_text_image, height=48), [{"width": 320}, {"width": 480}, {"width": 133}]),
    _packaged("ocr_det", "convolution", _text_image, [{"height": 320, "width": 320}, {"height": 96, "width": 352}]),
    _packaged("ocr_cls", "convolution", partial(_text_image, height=48, width=192), [{"batch": 1}]),
    _packaged("magika", "convolution", _bytes, [{"batch": 1}, {"batch": 5}]),
    Model(
        "minilm",
        "attention",
        minilm.write_minilm,
        _minilm,
        sizes=[{"batch": 1, "length": 32}, {"batch": 4, "length": 17}, {"batch": 1, "length": 128}],
        trained=True,
    ),
    _kernel_method("svc", np.float32),
    _kernel_method("gp", np.float32),
    _kernel_method("svc", np.float64),
    _kernel_method("gp", np.float64),
    Model(
        "resnet18", "convolution", convolution.write_resnet18, _image, sizes=[{"batch": 1}, {"batch": 3}]
    ),
    Model("resnet50", "convolution", convolution.write_resnet50, _image),
    Model("mobilenet_v3", "convolution", convolution.write_mobilenet_v3, _image),
    Model("vit", "attention", attention.write_vit, _image),
    Model(
        "bert",
        "attention",
        attention.write_bert,
        _bert,
        sizes=[{"batch": 1, "sequence": 128}, {"batch": 2, "sequence": 61}, {"batch": 1, "sequence": 1}],
    ),
    # Small enough for software devices and the emulator.
    Model(
        "bert_2_layers",
        "attention",
        partial(attention.write_bert, layers=2),
        _bert,
        sizes=[{"batch": 1, "sequence": 64}, {"batch": 2, "sequence": 23}],
    ),
    Model("gpt2", "attention", attention.write_gpt2, _gpt2),
    Model("gpt2_decode", "attention", attention.write_gpt2_decode, _gpt2_decode, sizes=[{"past": 128}, {"past": 1}]),
]

MODELS: dict[str, Model] = {model.name: model for model in _MODELS}


def selected(names: Sequence[str]) -> list[Model]:
    """The models of the given names; all of them for none. `trained` and `random` select by origin."""
    if not names:
        return list(MODELS.values())
    result: list[Model] = []
    for name in names:
        if name in ("trained", "random"):
            result += [model for model in MODELS.values() if model.trained == (name == "trained")]
        elif name in MODELS:
            result.append(MODELS[name])
        else:
            raise SystemExit(f"no model is called {name}; there are: {', '.join(MODELS)}")
    return result


def written(model: Model, directory: Path) -> Path:
    """The model's file, written first where it is missing or older than this package."""
    path = directory / f"{model.name}.onnx"
    newest = max(source.stat().st_mtime for source in Path(__file__).parent.glob("*.py"))
    if not path.exists() or path.stat().st_mtime < newest:
        directory.mkdir(parents=True, exist_ok=True)
        partial_path = directory / f"{model.name}.partial.onnx"
        model.write(partial_path, False)
        partial_path.replace(path)
    return path
