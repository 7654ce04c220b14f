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
    """Loops that hold no other loop, wherever the compiler has put their parts. A cycle of the control flow is cut at its
    head: cycles that remain are inner loops, and so is the smaller of two ways back to one head."""
    blocks, edges = _control_flow(function)
    loops = []
    pending = [(set(range(len(blocks))), edges)]
    while pending:
        nodes, inside = pending.pop()
        for cycle in _cycles(nodes, inside):
            head = _head(cycle, inside, nodes)
            cut = {node: [to for to in inside[node] if to in cycle and to != head] for node in cycle}
            inner = _cycles(cycle, cut)
            if inner:
                pending.append((cycle, cut))
            bodies = [_reaching(node, cut) | {head} for node in cycle if head in inside[node]]
            for number, body in enumerate(bodies):
                if body in bodies[:number] or any(other < body for other in bodies) or any(c <= body for c in inner):
                    continue
                code = tuple(instruction for node in sorted(body) for instruction in blocks[node])
                loops.append(Loop(code[0].address, code[-1].address, code))
    return sorted(loops, key=lambda loop: loop.begin)


def _reaching(target: int, edges: dict[int, list[int]]) -> set[int]:
    """The nodes from which a way leads to `target`, and itself."""
    found, work = {target}, [target]
    while work:
        last = work.pop()
        for node, following in edges.items():
            if last in following and node not in found:
                found.add(node)
                work.append(node)
    return found


def _control_flow(function: Function) -> tuple[list[list[Instruction]], dict[int, list[int]]]:
    """Basic blocks in order of their addresses, and for each the numbers of those that may follow."""
    addresses = {instruction.address for instruction in function.instructions}
    starts = {instruction.jump_target for instruction in function.instructions} & addresses
    blocks: list[list[Instruction]] = []
    ended = True
    for instruction in function.instructions:
        if ended or instruction.address in starts:
            blocks.append([])
        blocks[-1].append(instruction)
        ended = instruction.mnemonic.startswith(("j", "ret", "ud2"))
    number = {block[0].address: index for index, block in enumerate(blocks)}
    edges: dict[int, list[int]] = {}
    for index, block in enumerate(blocks):
        last = block[-1]
        following = [] if last.mnemonic.startswith(("jmp", "ret", "ud2")) else [index + 1]
        following.append(number.get(last.jump_target, -1))
        edges[index] = [to for to in following if 0 <= to < len(blocks)]
    return blocks, edges


def _cycles(nodes: set[int], edges: dict[int, list[int]]) -> list[set[int]]:
    """Strongly connected components that hold a cycle (Tarjan's algorithm, without recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found = []
    for root in sorted(nodes):
        if root in order:
            continue
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(edges[root]))]
        while work:
            node, following = work[-1]
            for to in following:
                if to not in nodes:
                    continue
                if to not in order:
                    order[to] = low[to] = len(order)
                    stack.append(to)
                    on_stack.add(to)
                    work.append((to, iter(edges[to])))
                    break
                if to in on_stack:
                    low[node] = min(low[node], order[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    component = set()
                    while node not in component:
                        component.add(stack.pop())
                    on_stack -= component
                    if len(component) > 1 or node in edges[node]:
                        found.append(component)
    return found


def _head(cycle: set[int], edges: dict[int, list[int]], nodes: set[int]) -> int:
    """Where the cycle is entered; its first block where nothing leads into it."""
    entered = {to for node in nodes - cycle for to in edges[node] if to in cycle}
    return min(entered or cycle)
