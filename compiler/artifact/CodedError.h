//===- CodedError.h - errors with a stable code -----------------*- C++ -*-===//
//
// The compiler's errors are values: a number of error_codes.def and a message.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_COMPILER_ARTIFACT_CODEDERROR_H
#define MERCER_COMPILER_ARTIFACT_CODEDERROR_H

#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"

#include <string>
#include <system_error>

namespace mercer {

class CodedError : public llvm::ErrorInfo<CodedError> {
public:
  static char ID;

  CodedError(int code, std::string message)
      : number(code), text(std::move(message)) {}

  /// The number in error_codes.def.
  int code() const { return number; }
  std::string message() const override { return text; }
  void log(llvm::raw_ostream &os) const override;
  std::error_code convertToErrorCode() const override {
    return llvm::inconvertibleErrorCode();
  }

private:
  int number;
  std::string text;
};

llvm::Error makeError(int code, const llvm::Twine &message);

} // namespace mercer

#endif
