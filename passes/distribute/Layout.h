//===- Layout.h - which thread holds which element --------------*- C++ -*-===//
//
// A tile's elements have two coordinates, row and column. A layout says where
// each lies: bit by bit, the number of a register, of a lane and of a warp adds
// (without carry) a step to the coordinates. Everything that a distribution is
// asked - who owns an element, how many registers it takes, which threads hold
// parts of one row - is a question about these steps, and is answered without
// a device. (Linear maps over GF(2), as Triton describes layouts.)
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_PASSES_DISTRIBUTE_LAYOUT_H
#define MERCER_PASSES_DISTRIBUTE_LAYOUT_H

#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace mercer::distribute {

struct Coordinate {
  int64_t row = 0, col = 0;
  bool operator==(const Coordinate &other) const {
    return row == other.row && col == other.col;
  }
  bool operator!=(const Coordinate &other) const { return !(*this == other); }
  bool isZero() const { return row == 0 && col == 0; }
};

/// Steps of the bits of the register, lane and warp numbers, lowest bit first.
/// A zero step means that threads, or registers, hold copies.
struct Layout {
  llvm::SmallVector<Coordinate> registers, lanes, warps;

  int64_t numRegisters() const { return int64_t(1) << registers.size(); }
  int64_t numThreads() const {
    return int64_t(1) << (lanes.size() + warps.size());
  }
  /// The part that a register number adds.
  Coordinate ofRegister(int64_t number) const;
  /// The part that a thread adds: its lane's and its warp's.
  Coordinate ofThread(int64_t thread) const;
  Coordinate at(int64_t number, int64_t thread) const;
  /// Extents of the tile that is covered; powers of two.
  Coordinate extents() const;
  /// Step of bit `bit` of the thread number.
  Coordinate threadStep(unsigned bit) const;

  /// Bits of the thread number that change nothing: threads that differ in them
  /// hold copies.
  int64_t copyBits() const;

  /// Every element of `extents` has an owner, and no element two.
  bool isBijective() const;
  /// The layout of a vector with one element for each row: columns fall away,
  /// and with them the registers that only moved along columns.
  Layout rows() const;
  /// The register of `rows()` that the row part of register `number` is.
  int64_t rowRegister(int64_t number) const;

  bool operator==(const Layout &other) const;
  bool operator!=(const Layout &other) const { return !(*this == other); }
};

/// Register blocks for products of scalars: eight threads side by side along
/// the columns, the others along the rows; four neighbouring columns in four
/// registers, so that they are one access; a thread's rows are neighbours. Rows
/// and columns are powers of two; rows >= threads / 8, columns >= 8.
Layout blockLayout(int64_t rows, int64_t cols, int64_t threads,
                   int64_t subgroup);

/// Accumulators of `mma.sync.m16n8`: a lane holds two neighbours in each of two
/// rows eight apart. `warpRows` x `warpCols` warps, each with tiles of 16 x 8
/// over its part; rows and columns are powers of two.
Layout mmaLayout(int64_t rows, int64_t cols, int64_t warpRows,
                 int64_t warpCols);

} // namespace mercer::distribute

#endif
