//===- Npy.h - NumPy's file format ------------------------------*- C++ -*-===//
//
// Versions 1 to 3, both orders, both byte orders. Nothing is allocated before
// the file has been found long enough for it.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_TOOLS_MERCERRUN_NPY_H
#define MERCER_TOOLS_MERCERRUN_NPY_H

#include "runtime/support/Status.h"
#include "tools/mercer-run/Array.h"

namespace mercer::run {

/// Reads an array. NumPy has no names for bfloat16 and smaller floats: items of
/// type V1, V2 and f1 are taken as `declared` if that has their width; int8
/// and uint8 items are packed where a type below 8 bits is declared. All other
/// types are returned as the file has them.
rt::Status readNpy(const std::string &path, MercerDataType declared,
                   Array &array);

/// Writes an array, types without a NumPy name as ml_dtypes writes them.
rt::Status writeNpy(const std::string &path, const Array &array);

} // namespace mercer::run

#endif // MERCER_TOOLS_MERCERRUN_NPY_H
