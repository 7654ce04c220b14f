//===- TargetInfo.h - the facts about a target that passes ask --*- C++ -*-===//
//
// Passes never compare target names: they ask this record, which travels with
// the IR as the module attribute `mercer.target`.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_DIALECTS_MERCER_IR_TARGETINFO_H
#define MERCER_DIALECTS_MERCER_IR_TARGETINFO_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

#include <cstdint>
#include <string>

namespace mercer {

/// What code generation may assume of the machine that runs the result.
struct TargetInfo {
  /// "cpu", "cuda" or "vulkan".
  std::string kind = "cpu";
  /// Name given to `--cpu` or `--chip`, as LLVM spells it.
  std::string cpu = "x86-64";
  /// LLVM feature string; exactly what the code may use.
  std::string features;
  /// Width of one vector register in bits, and how many there are.
  int64_t vectorBits = 128;
  int64_t vectorRegisters = 16;
  /// Bytes of first- and second-level data cache of one core.
  int64_t l1Bytes = int64_t(32) * 1024;
  int64_t l2Bytes = int64_t(512) * 1024;
  /// Fused multiply-add, and masked memory accesses, at vector width.
  bool hasFma = false;
  bool hasMaskedAccess = false;
  /// GPUs: invocations of a workgroup, how many of them in a row may exchange
  /// registers, bytes of memory that they share, and 32-bit registers that one
  /// may use. One invocation and nothing shared on a CPU.
  int64_t threads = 1;
  int64_t subgroup = 1;
  int64_t sharedBytes = 0;
  int64_t threadRegisters = 0;
  /// Warp-wide matrix products, matrix loads and asynchronous copies to shared
  /// memory (`mma.sync`, `ldmatrix`, `cp.async`).
  bool hasMatrixUnits = false;

  /// Tiles are computed by workgroups: `distribute` follows `bufferize`.
  bool isGpu() const { return threads > 1; }

  /// Lanes of one vector register for elements of `bits` bits; at least 1.
  int64_t lanes(int64_t bits) const {
    return bits > 0 && vectorBits >= bits ? vectorBits / bits : 1;
  }

  /// The target of the nearest module above `op` that names one; a plain
  /// x86-64 CPU where none does.
  static TargetInfo get(mlir::Operation *op);

  mlir::DictionaryAttr toAttr(mlir::MLIRContext *context) const;
  static TargetInfo fromAttr(mlir::DictionaryAttr attr);

  /// Name of the module attribute.
  static llvm::StringRef attrName() { return "mercer.target"; }
};

} // namespace mercer

#endif
