#!/usr/bin/env bash
# Checks the packed cases on this machine: ./run.sh [--device=cuda:0] [--filter=RE] [--out=FILE] ...
# Needs the GPU's driver and nothing else.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$here/bin/mercer-gpu-check
run=("$program")
export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# A C library that is older than the one this was built with: take that one along.
if ! "$program" --version >/dev/null 2>&1; then
  run=("$here/glibc/ld-linux-x86-64.so.2" --library-path "$here/glibc:$LD_LIBRARY_PATH" "$program")
  "${run[@]}" --version >/dev/null || {
    echo "run.sh: mercer-gpu-check does not start on this machine (x86-64 Linux is needed)" >&2
    exit 4
  }
  echo "run.sh: using the packed C library; this machine's is too old" >&2
fi
exec "${run[@]}" "$here/cases" "$@"
