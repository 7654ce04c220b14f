//===- CodedError.cpp - errors with a stable code -------------------------===//

#include "compiler/artifact/CodedError.h"

using namespace mercer;

char CodedError::ID = 0;

void CodedError::log(llvm::raw_ostream &os) const {
  os << "[E" << number << "] " << text;
}

llvm::Error mercer::makeError(int code, const llvm::Twine &message) {
  return llvm::make_error<CodedError>(code, message.str());
}
