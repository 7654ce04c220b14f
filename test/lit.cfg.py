# lit configuration: FileCheck tests of the dialects, passes, backends, driver.
import os
import platform
import shutil
import sys

import lit.formats

config.name = "Mercer"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.join(config.mercer_src_root, "test")
config.test_exec_root = os.path.join(config.mercer_obj_root, "test")
config.excludes = ["Inputs"]

path = [config.mercer_bin_dir, config.llvm_tools_dir, config.environment.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
venv_python = os.path.join(config.mercer_obj_root, "venv", "bin", "python")
config.substitutions.append(("%python", venv_python))
config.substitutions.append(("%src", config.mercer_src_root))

# Features: what this machine can execute. Tests that need more are reported
# as unsupported, never silently passed.
if os.path.exists(venv_python):
    config.available_features.add("python")
if shutil.which("spirv-val"):
    config.available_features.add("spirv-val")
if platform.machine() == "x86_64":
    config.available_features.add("x86_64")
    with open("/proc/cpuinfo") as f:
        flags = next((l for l in f if l.startswith("flags")), "").split()
    for flag in ("avx2", "avx512f", "amx_tile"):
        if flag in flags:
            config.available_features.add(flag)

# Assembles kernels for NVIDIA chips; needs no GPU.
sys.path.insert(0, os.path.join(config.mercer_src_root, "test", "cuda"))
from check_ptx import find_ptxas

ptxas = find_ptxas(os.path.join(config.mercer_obj_root, "venv"))
if ptxas:
    config.available_features.add("ptxas")
    config.environment["MERCER_PTXAS"] = ptxas
