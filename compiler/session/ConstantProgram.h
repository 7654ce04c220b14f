//===- ConstantProgram.h - runs constant expressions at compile time -*- C++
//-*-===//
//
// The constant program is an artifact in all but name: the same host program
// and kernels, compiled for this machine and called in process, with mapped
// weights as its constants.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_SESSION_CONSTANTPROGRAM_H
#define MERCER_COMPILER_SESSION_CONSTANTPROGRAM_H

#include "compiler/session/WeightFiles.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <vector>

namespace mercer {

/// Results of a constant program; the memory belongs to this object.
class ConstantResults {
public:
  ~ConstantResults();
  ConstantResults() = default;
  ConstantResults(const ConstantResults &) = delete;
  ConstantResults &operator=(const ConstantResults &) = delete;

  size_t size() const { return buffers.size(); }
  llvm::StringRef operator[](size_t index) const;

private:
  friend llvm::Expected<std::unique_ptr<ConstantResults>>
      runConstantProgram(llvm::StringRef, llvm::ArrayRef<llvm::StringRef>,
                         llvm::ArrayRef<int64_t>);
  struct Buffer {
    void *data = nullptr;
    size_t size = 0;
  };
  std::vector<Buffer> buffers;
};

/// Bytes of every slot of `module`, whose `mercer.precomputed` are `results`.
llvm::Expected<std::vector<llvm::StringRef>>
collectSlots(mlir::ModuleOp module, WeightFiles &files,
             const ConstantResults *results);

/// Loads the linked `elf` into this process and runs its only entry point;
/// `resultBytes` is the size of each of its results.
llvm::Expected<std::unique_ptr<ConstantResults>>
runConstantProgram(llvm::StringRef elf, llvm::ArrayRef<llvm::StringRef> slots,
                   llvm::ArrayRef<int64_t> resultBytes);

} // namespace mercer

#endif
