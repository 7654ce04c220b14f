"""What models are compiled for: the options that every test script on operators and models shares.

Without any of them the CPU. With `--target=vulkan|cuda` mercer-run takes the device that an artifact was made for; with
`--emulate` the kernels of that target run on the CPU, each access checked (docs/emulator.md).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, TypeVar

import numpy as np

from . import spirv

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    kind: str
    chip: str
    emulate: bool
    more: tuple[str, ...]

    @property
    def options(self) -> list[str]:
        """For mercerc."""
        result = [] if self.kind == "cpu" else [f"--target={self.kind}"]
        result += [f"--chip={self.chip}"] if self.chip else []
        return [*result, *(["--emulate"] if self.emulate else []), *self.more]

    @property
    def label(self) -> str:
        """For names of files: `cpu`, `vulkan`, `cuda-sm_90a-emulated`."""
        return "-".join([self.kind, *([self.chip] if self.chip else []), *(["emulated"] if self.emulate else [])])

    def problem(self, artifact: Path) -> str:
        """What is wrong with the code in an artifact, as far as a tool can tell; else empty."""
        if self.kind != "vulkan" or self.emulate:
            return ""
        return spirv.problem(artifact, self.chip if self.chip.startswith("vulkan1") else "vulkan1.3")

    @property
    def patience(self) -> int:
        """Factor on time limits: software devices and the emulator are slow."""
        return 1 if self.kind == "cpu" else 8


def add_target_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", choices=["cpu", "vulkan", "cuda"], default="cpu")
    parser.add_argument("--chip", default="", help="of the target, as mercerc takes it")
    parser.add_argument("--emulate", action="store_true", help="kernels of a GPU as checked CPU code")
    parser.add_argument("--mercerc", action="append", default=[], metavar="OPTION", help="passed on to mercerc")


def target_of(options: argparse.Namespace) -> Target:
    return Target(options.target, options.chip, options.emulate, tuple(options.mercerc))


def sampled(items: Sequence[T], count: int | None, seed: int) -> list[T]:
    """`count` of the items, the same ones for the same seed, in their order; all without a count."""
    if count is None or count >= len(items):
        return list(items)
    chosen = np.random.default_rng([seed, 7]).choice(len(items), count, replace=False)
    return [items[index] for index in sorted(chosen)]
