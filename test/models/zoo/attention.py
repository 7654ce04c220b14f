"""ViT-B/16, BERT-base and GPT-2 small with random weights, each written in the form of a different exporter.

ViT (Dosovitskiy et al., arXiv:2010.11929) as torch 2.15 writes it: fused QKV by Slice and Squeeze, a scale of d^-1/4 on
both sides, IsNaN and Where after Softmax, LayerNormalization and Gelu as operators. BERT (Devlin et al.,
arXiv:1810.04805) with an added mask, a division by sqrt(d) and GELU through Erf; batch and length are dynamic. GPT-2
with Gemm between Reshapes, Split, a causal Where and GELU through Tanh; `gpt2_decode` takes one token and the past.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .graph import Graph, Value
from .samples import images, token_mask, tokens

LENGTH, VOCABULARY, GPT2_VOCABULARY = 256, 30522, 50257
WIDTH, HEADS, HEAD_SIZE, LAYERS = 768, 12, 64, 12

# Standard deviations of q and k that spread the scores over ±4, so that attention picks few of its keys as a trained
# network does; with less, the output is the mean of all values and hides errors.
QUERY_STD, VALUE_STD = 1.4, 1.7
_RESIDUAL_STD = 0.45


def _integers(graph: Graph, *values: int) -> Value:
    return graph.constant(list(values), np.int64)


def _qkv_std() -> np.ndarray:
    return np.repeat(np.float32([QUERY_STD, QUERY_STD, VALUE_STD]), WIDTH)


def _merge_heads(graph: Graph, heads: Value) -> Value:
    rows = graph.op("Transpose", heads, perm=[0, 2, 1, 3])
    return graph.layer(graph.op("Reshape", rows, _integers(graph, 0, 0, WIDTH)))


# -- ViT


def _vit_attention(graph: Graph, x: Value) -> Value:
    qkv = graph.linear(x, 3 * WIDTH, _qkv_std())
    qkv = graph.op("Reshape", qkv, _integers(graph, 0, 0, 3, HEADS, HEAD_SIZE))
    qkv = graph.op("Transpose", qkv, perm=[2, 0, 3, 1, 4])
    axis = _integers(graph, 0)
    q, k, v = (
        graph.op(
            "Squeeze", graph.op("Slice", qkv, _integers(graph, i), _integers(graph, i + 1), axis), axis
        )
        for i in range(3)
    )
    scale = graph.constant(HEAD_SIZE**-0.25)
    q = graph.op("Mul", q, scale)
    k = graph.op("Mul", graph.op("Transpose", k, perm=[0, 1, 3, 2]), scale)
    weights = graph.op("Softmax", graph.op("MatMul", q, k), axis=-1)
    weights = graph.op("Where", graph.op("IsNaN", weights), graph.constant(0), weights)
    heads = _merge_heads(graph, graph.op("MatMul", weights, v))
    return graph.linear(heads, WIDTH, _RESIDUAL_STD)


def write_vit(path: Path, external: bool) -> None:
    graph = Graph("vit_b_16", 16, opset=20)
    image = graph.input("input", images(graph.random, 4, 224), [1, 3, 224, 224])
    filters = graph.normal(WIDTH, 3, 16, 16, std=0.015)
    patches = graph.op(
        "Conv",
        image,
        graph.weight(filters, "patch.weight"),
        graph.weight(graph.normal(WIDTH, std=0.1), "patch.bias"),
        kernel_shape=[16, 16],
        strides=[16, 16],
    )
    x = graph.op("Reshape", graph.layer(patches), _integers(graph, 0, WIDTH, -1))
    x = graph.op("Transpose", x, perm=[0, 2, 1])
    batch = graph.op("Shape", x, start=0, end=1)
    shape = graph.op("Concat", batch, _integers(graph, 1, WIDTH), axis=0)
    token = graph.op("Expand", graph.weight(graph.normal(1, 1, WIDTH), "class_token"), shape)
    x = graph.op("Concat", token, x, axis=1)
    x = graph.layer(graph.op("Add", x, graph.weight(graph.normal(1, 197, WIDTH, std=0.3), "positions")))
    for _ in range(LAYERS):
        x = graph.layer(graph.op("Add", x, _vit_attention(graph, graph.layer_norm(x, 1e-6))))
        hidden = graph.linear(graph.layer_norm(x, 1e-6), 4 * WIDTH)
        hidden = graph.layer(graph.op("Gelu", hidden))
        x = graph.layer(graph.op("Add", x, graph.linear(hidden, WIDTH, _RESIDUAL_STD)))
    x = graph.layer_norm(x, 1e-6)
    first = graph.op("Gather", x, graph.constant(0, np.int64), axis=1)
    graph.output(graph.classifier(first, 1000), "logits", [1, 1000])
    graph.save(path, external)


# -- BERT


def _split_heads(graph: Graph, x: Value, perm: list[int]) -> Value:
    rows = graph.op("Reshape", x, _integers(graph, 0, 0, HEADS, HEAD_SIZE))
    return graph.op("Transpose", rows, perm=perm)


def _bert_attention(graph: Graph, x: Value, mask: Value) -> Value:
    q = _split_heads(graph, graph.linear(x, WIDTH, QUERY_STD), [0, 2, 1, 3])
    k = _split_heads(graph, graph.linear(x, WIDTH, QUERY_STD), [0, 2, 3, 1])
    v = _split_heads(graph, graph.linear(x, WIDTH, VALUE_STD), [0, 2, 1, 3])
    scores = graph.op("Div", graph.op("MatMul", q, k), graph.constant(HEAD_SIZE**0.5))
    weights = graph.op("Softmax", graph.op("Add", scores, mask), axis=-1)
    return graph.linear(_merge_heads(graph, graph.op("MatMul", weights, v)), WIDTH)


def _gelu_erf(graph: Graph, x: Value) -> Value:
    inner = graph.op("Erf", graph.op("Div", x, graph.constant(2**0.5)))
    product = graph.op("Mul", x, graph.op("Add", inner, graph.constant(1)))
    return graph.layer(graph.op("Mul", product, graph.constant(0.5)))


def write_bert(path: Path, external: bool, layers: int = LAYERS) -> None:
    graph = Graph("bert_base", 110)
    sample = tokens(graph.random, 2, 96, VOCABULARY)
    dims = ["batch", "sequence"]
    ids = graph.input("input_ids", sample, dims)
    mask = graph.input("attention_mask", token_mask(graph.random, 2, 96), dims)
    kinds = graph.input("token_type_ids", np.zeros_like(sample), dims)

    words = graph.op("Gather", graph.weight(graph.normal(VOCABULARY, WIDTH, std=0.7), "words"), ids)
    types = graph.op("Gather", graph.weight(graph.normal(2, WIDTH, std=0.3), "types"), kinds)
    length = graph.op("Gather", graph.op("Shape", ids), graph.constant(1, np.int64))
    end = graph.op("Unsqueeze", length, _integers(graph, 0))
    table = graph.constant(np.arange(512)[None, :], np.int64)
    position = graph.op("Slice", table, _integers(graph, 0), end, _integers(graph, 1))
    places = graph.op("Gather", graph.weight(graph.normal(512, WIDTH, std=0.5), "places"), position)
    x = graph.layer(graph.op("Add", graph.op("Add", words, types), places))
    x = graph.layer_norm(x, 1e-12)

    wide = graph.op("Unsqueeze", mask, _integers(graph, 1, 2))
    hidden = graph.op("Sub", graph.constant(1), graph.op("Cast", wide, to=1))
    bias = graph.op("Mul", hidden, graph.constant(np.finfo(np.float32).min))
    for _ in range(layers):
        x = graph.layer_norm(graph.op("Add", _bert_attention(graph, x, bias), x), 1e-12)
        inner = _gelu_erf(graph, graph.linear(x, 4 * WIDTH))
        x = graph.layer_norm(graph.op("Add", graph.linear(inner, WIDTH), x), 1e-12)
    graph.output(x, "last_hidden_state", [*dims, WIDTH])
    first = graph.op("Gather", x, graph.constant(0, np.int64), axis=1)
    pooled = graph.layer(graph.op("Tanh", graph.op("Gemm", first, *graph.linear_weights(first, WIDTH))))
    graph.output(pooled, "pooler_output", ["batch", WIDTH])
    graph.save(path, external)


# -- GPT-2


def _conv1d(graph: Graph, x: Value, features: int, std: float | np.ndarray) -> Value:
    """torch exports GPT-2's linear layer as Gemm on the flattened rows, with the shape computed from the input's."""
    leading = graph.op("Slice", graph.op("Shape", x), _integers(graph, 0), _integers(graph, 2))
    shape = graph.op("Concat", leading, _integers(graph, features), axis=0)
    rows = graph.op("Reshape", x, _integers(graph, -1, x.features))
    product = graph.op("Gemm", rows, *graph.linear_weights(x, features, std))
    return graph.layer(graph.op("Reshape", product, shape))


def _gelu_tanh(graph: Graph, x: Value) -> Value:
    cubic = graph.op("Mul", graph.op("Pow", x, graph.constant(3)), graph.constant(0.044715))
    inner = graph.op("Mul", graph.op("Add", x, cubic), graph.constant((2 / np.pi) ** 0.5))
    gate = graph.op("Add", graph.op("Tanh", inner), graph.constant(1))
    return graph.layer(graph.op("Mul", graph.op("Mul", x, graph.constant(0.5)), gate))


def _gpt2(graph: Graph, ids: Value, past: list[tuple[Value, Value]]) -> tuple[Value, list[tuple[Value, Value]]]:
    words = graph.weight(graph.normal(GPT2_VOCABULARY, WIDTH, std=0.25), "words")
    places = graph.weight(graph.normal(1024, WIDTH, std=0.6), "places")
    zero, one = _integers(graph, 0), _integers(graph, 1)
    begin = graph.op("Shape", past[0][0], start=2, end=3) if past else zero
    end = graph.op("Add", begin, graph.op("Shape", ids, start=1, end=2))
    position = graph.op("Slice", graph.constant(np.arange(1024), np.int64), begin, end, zero)
    x = graph.layer(graph.op("Add", graph.op("Gather", words, ids), graph.op("Gather", places, position)))

    triangle = graph.constant(np.tril(np.ones((1, 1, 1024, 1024), np.bool_)), np.bool_)
    seen = graph.op("Slice", triangle, begin, end, _integers(graph, 2))
    seen = graph.op("Slice", seen, zero, end, _integers(graph, 3), one)
    present = []
    for index in range(LAYERS):
        qkv = _conv1d(graph, graph.layer_norm(x), 3 * WIDTH, _qkv_std())
        q, k, v = graph.op("Split", qkv, _integers(graph, WIDTH, WIDTH, WIDTH), results=3, axis=2)
        q, k, v = (_split_heads(graph, part, [0, 2, 1, 3]) for part in (q, k, v))
        if past:
            k, v = (graph.op("Concat", old, new, axis=2) for old, new in zip(past[index], (k, v)))
        present.append((k, v))
        scores = graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = graph.op("Div", scores, graph.constant(HEAD_SIZE**0.5))
        scores = graph.op("Where", seen, scores, graph.constant(np.finfo(np.float32).min))
        weights = graph.op("Softmax", scores, axis=-1)
        heads = _merge_heads(graph, graph.op("MatMul", weights, v))
        x = graph.layer(graph.op("Add", _conv1d(graph, heads, WIDTH, _RESIDUAL_STD), x))
        hidden = _gelu_tanh(graph, _conv1d(graph, graph.layer_norm(x), 4 * WIDTH, 1.0))
        x = graph.layer(graph.op("Add", x, _conv1d(graph, hidden, WIDTH, _RESIDUAL_STD)))
    # The vocabulary serves both ends, so the last norm makes room for its size: 0.35 * 0.25 * sqrt(768) = 2.4.
    x = graph.layer_norm(x, gain=0.35)
    return graph.layer(graph.op("MatMul", x, graph.op("Transpose", words, perm=[1, 0]))), present


def _prefill() -> Graph:
    graph = Graph("gpt2", 117)
    ids = graph.input("input_ids", tokens(graph.random, 1, LENGTH, GPT2_VOCABULARY), [1, LENGTH])
    logits, _ = _gpt2(graph, ids, [])
    graph.output(logits, "logits", [1, LENGTH, GPT2_VOCABULARY])
    return graph


def write_gpt2(path: Path, external: bool) -> None:
    _prefill().save(path, external)


def write_gpt2_decode(path: Path, external: bool) -> None:
    """The weights of `gpt2`: decoding a sentence token by token gives the logits of the whole."""
    graph = Graph("gpt2_decode", 117, given=_prefill().weights)
    ids = graph.input("input_ids", tokens(graph.random, 1, 1, GPT2_VOCABULARY), [1, 1])
    dims: list[int | str] = [1, HEADS, "past", HEAD_SIZE]
    past = []
    for index in range(LAYERS):
        samples = (graph.normal(1, HEADS, 5, HEAD_SIZE) for _ in range(2))
        names = (f"past_key_{index}", f"past_value_{index}")
        past.append(tuple(graph.input(name, sample, dims) for name, sample in zip(names, samples)))
    logits, present = _gpt2(graph, ids, past)
    graph.output(logits, "logits", [1, 1, GPT2_VOCABULARY])
    for index, pair in enumerate(present):
        for kind, value in zip(("key", "value"), pair):
            graph.output(value, f"present_{kind}_{index}", [1, HEADS, "present", HEAD_SIZE])
    graph.save(path, external)
