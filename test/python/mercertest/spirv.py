"""The SPIR-V modules inside of an artifact for Vulkan, and what spirv-val says about them."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Iterator

_MAGIC = struct.pack("<I", 0x07230203)
_HEADER = struct.Struct("<5I")
_OP_LINE, _OP_FUNCTION, _OP_FUNCTION_END, _OP_NO_LINE = 8, 54, 56, 317


def modules(content: bytes) -> Iterator[bytes]:
    start = content.find(_MAGIC)
    while start >= 0:
        end = start + len(_MAGIC)
        if start + _HEADER.size <= len(content):
            _, version, _, _, reserved = _HEADER.unpack_from(content, start)
            if version >> 16 == 1 and reserved == 0:  # not a number that looks like the first word
                end = _end(content, start + _HEADER.size)
                yield content[start:end]
        start = content.find(_MAGIC, end)


def _end(content: bytes, at: int) -> int:
    """A module does not say how long it is: it ends where no function follows a function."""
    behind_function = False
    while at + 4 <= len(content):
        word = struct.unpack_from("<I", content, at)[0]
        words, opcode = word >> 16, word & 0xFFFF
        if words == 0 or (behind_function and opcode not in (_OP_FUNCTION, _OP_LINE, _OP_NO_LINE)):
            break
        at += 4 * words
        behind_function = opcode == _OP_FUNCTION_END
    return at


def problem(artifact: Path, environment: str) -> str:
    """What spirv-val (Debian: spirv-tools) objects to in the first module that is not valid; else empty."""
    for number, module in enumerate(modules(artifact.read_bytes())):
        checked = subprocess.run(
            ["spirv-val", "--target-env", environment, "-"], input=module, capture_output=True, timeout=60
        )
        if checked.returncode:
            lines = (checked.stderr or checked.stdout).decode(errors="replace").splitlines()
            return f"spirv-val: module {number}: {lines[0] if lines else 'refused'}"
    return ""
