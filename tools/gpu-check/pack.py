"""Packs a folder of cases with mercer-gpu-check, the runtime and what they load into one archive that needs a driver
and nothing else.

`pack.py CASES -o FILE.tar.gz [--limit-mib 60]`. Cases that do not fit, the largest ones, are named and left out.
"""

from __future__ import annotations

import argparse
import gzip
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
NAME = "mercer-gpu-check"
# Parts of glibc: packed apart, for machines whose own is too old.
GLIBC = re.compile(r"^(libc|libm|libdl|librt|libpthread|ld-linux-x86-64)\.so\.\d$")


def libraries(program: Path) -> dict[str, Path]:
    """What the dynamic loader finds for a program, by soname."""
    result = {}
    for line in subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.splitlines():
        match = re.match(r"\s*(\S+) => (/\S+)|\s*(/\S+) \(", line)
        if match:
            path = Path(match.group(2) or match.group(3))
            result[match.group(1) or path.name] = path
    return result


def stripped(path: Path, folder: Path) -> Path:
    copy = folder / path.name
    shutil.copy(path.resolve(), copy)
    subprocess.run(["strip", "--strip-unneeded", copy], check=True)
    return copy


class Archive:
    """A tar whose compressed size is known as it grows, and whose bytes depend on nothing but its contents."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    @staticmethod
    def part(files: list[tuple[str, Path, bool]]) -> bytes:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name, path, executable in files:
                info = tarfile.TarInfo(f"{NAME}/{name}")
                info.size = path.stat().st_size
                info.mode = 0o755 if executable else 0o644
                with open(path, "rb") as file:
                    tar.addfile(info, file)
            members = tar.offset
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=6) as stream:
            # Without the end mark: the parts are members of one archive.
            stream.write(raw.getvalue()[:members])
        return packed.getvalue()

    def add(self, part: bytes) -> None:
        self.parts.append(part)
        self.size += len(part)

    def write(self, path: Path) -> None:
        with open(path, "wb") as file:
            for part in self.parts:
                file.write(part)
            file.write(gzip.compress(bytes(10240), mtime=0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--build", type=Path, default=_ROOT / "build")
    parser.add_argument("--limit-mib", type=float, default=60)
    options = parser.parse_args()

    program = options.build / "bin" / NAME
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = [("run.sh", _HERE / "run.sh", True), ("README.md", _ROOT / "docs" / "gpu-check.md", False)]
        files.append((f"bin/{NAME}", stripped(program, folder), True))
        for soname, path in sorted(libraries(program).items()):
            if soname.startswith("linux-vdso"):
                continue
            if GLIBC.match(soname):
                files.append((f"glibc/{soname}", path.resolve(), True))
            else:
                (folder / soname).mkdir()
                files.append((f"lib/{soname}", stripped(path, folder / soname), True))
        archive = Archive()
        archive.add(Archive.part(files))

    limit = int(options.limit_mib * 2**20) - 4096
    cases = sorted(path.parent for path in options.cases.glob("*/case.json"))
    if not cases:
        raise SystemExit(f"{options.cases} holds no case")
    packed = []
    for case in cases:
        # Names of cases may hold any letter; folders of the archive do not.
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", case.name)
        contents = [(f"cases/{safe}/{file.name}", file, False) for file in sorted(case.iterdir()) if file.is_file()]
        packed.append((case.name, Archive.part(contents)))
    left_out = 0
    for name, part in sorted(packed, key=lambda item: (len(item[1]), item[0])):
        if archive.size + len(part) > limit:
            left_out += 1
            print(f"left out  {name}: {len(part) / 2**20:.1f} MiB do not fit into {options.limit_mib:g} MiB")
        else:
            archive.add(part)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    archive.write(options.out)
    print(f"{options.out}: {len(cases) - left_out} cases, {options.out.stat().st_size / 2**20:.1f} MiB, {left_out} left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
