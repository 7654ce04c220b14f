"""Attention: the MiniLM-L6 sentence encoder ranks sentences by their similarity to a question."""

from __future__ import annotations

import numpy as np

from subject import Subject
from zoo import minilm

QUESTION = "How do I keep my bread fresh for longer?"
SENTENCES = [
    "Store loaves in a paper bag inside a tin, not in the fridge.",
    "A stale baguette comes back to life after a minute in the oven.",
    "The orchestra rehearses every Tuesday evening.",
    "Freeze the slices that you will not eat within three days, wrapped tightly.",
    "Share prices of bakeries fell sharply this spring.",
    "The stars in Orion's belt are easy to find in winter.",
]


def _ranking(embeddings: np.ndarray) -> tuple[list[int], np.ndarray]:
    similarity = embeddings[1:] @ embeddings[0]
    return [int(index) for index in np.argsort(-similarity)], similarity


def rank(subject: Subject) -> list[str]:
    inputs = minilm.encode([QUESTION, *SENTENCES])
    ours, theirs = subject.run(inputs)
    order, similarity = _ranking(ours["sentence_embedding"])
    subject.same(order == _ranking(theirs["sentence_embedding"])[0])
    # The batch and the length are dynamic: a sentence alone, without padding, has to give the same.
    alone = subject.run(minilm.encode([QUESTION]))[0]["sentence_embedding"][0]
    subject.same(bool(np.allclose(alone, ours["sentence_embedding"][0], atol=1e-4)))
    subject.time(inputs)
    batch, length = inputs["input_ids"].shape
    said = [f"batch {batch}, {length} tokens   question: {QUESTION}"]
    return said + [f"{similarity[index]:6.3f}  {SENTENCES[index]}" for index in order]
