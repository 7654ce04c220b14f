"""Functions and innermost loops of an artifact's machine code, as llvm-objdump prints it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_LABEL = re.compile(r"^([0-9a-f]+) <(.+)>:$")
_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+([a-z]\S*)\s*(.*)$")
_TARGET = re.compile(r"^(?:0x)?([0-9a-f]+)\b")
_PREFIXES = {"rep", "repne", "lock", "notrack", "{evex}", "{vex}"}


@dataclass(frozen=True)
class Instruction:
    address: int
    mnemonic: str
    operands: str

    @property
    def jump_target(self) -> int | None:
        if not self.mnemonic.startswith("j"):
            return None
        match = _TARGET.match(self.operands)
        return int(match.group(1), 16) if match else None


@dataclass
class Function:
    name: str
    instructions: list[Instruction]


@dataclass(frozen=True)
class Loop:
    """The instructions from the target of a jump backwards to the jump."""

    begin: int
    end: int
    instructions: tuple[Instruction, ...]


def disassemble(artifact: Path) -> list[Function]:
    objdump = shutil.which("llvm-objdump-22") or shutil.which("llvm-objdump") or "objdump"
    command = [objdump, "-d", "--no-show-raw-insn", str(artifact)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    functions: list[Function] = []
    for line in text.splitlines():
        label = _LABEL.match(line)
        if label:
            functions.append(Function(label.group(2), []))
            continue
        match = _INSTRUCTION.match(line)
        if match and functions:
            address, mnemonic, operands = match.groups()
            while mnemonic in _PREFIXES and operands:
                mnemonic, _, operands = operands.partition(" ")
            functions[-1].instructions.append(Instruction(int(address, 16), mnemonic, operands.strip()))
    return functions


def innermost_loops(function: Function) -> list[Loop]:
    """Loops that hold no other loop. Back edges with one target are one loop; code is laid out so that a loop's body
    lies between its head and its last jump back."""
    if not function.instructions:
        return []
    first, last = function.instructions[0].address, function.instructions[-1].address
    ends: dict[int, int] = {}
    for instruction in function.instructions:
        target = instruction.jump_target
        if target is not None and first <= target <= instruction.address <= last:
            ends[target] = max(ends.get(target, 0), instruction.address)
    ranges = sorted(ends.items())
    loops = []
    for begin, end in ranges:
        inner = any(begin <= other and stop <= end and (other, stop) != (begin, end) for other, stop in ranges)
        if not inner:
            body = tuple(i for i in function.instructions if begin <= i.address <= end)
            loops.append(Loop(begin, end, body))
    return loops
