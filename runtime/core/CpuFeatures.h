//===- CpuFeatures.h - may this processor run an artifact? ------*- C++ -*-===//

#ifndef MERCER_RUNTIME_CORE_CPUFEATURES_H
#define MERCER_RUNTIME_CORE_CPUFEATURES_H

#include "runtime/support/Status.h"

#include <vector>

namespace mercer::rt {

/// Checks features by LLVM's names against the processor and against the
/// register state that the operating system saves; asks for permission to use
/// the AMX tile registers when one of them needs it.
Status checkCpuFeatures(const std::vector<std::string> &features,
                        const std::string &place);

} // namespace mercer::rt

#endif // MERCER_RUNTIME_CORE_CPUFEATURES_H
