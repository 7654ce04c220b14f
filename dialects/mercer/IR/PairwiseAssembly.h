//===- PairwiseAssembly.h - custom directives of mercer.pairwise -*- C++
//-*-===//
//
// Included before the generated op definitions, which call these.
//
//===----------------------------------------------------------------------===//
#ifndef MERCER_DIALECTS_MERCER_IR_PAIRWISEASSEMBLY_H
#define MERCER_DIALECTS_MERCER_IR_PAIRWISEASSEMBLY_H

#include "dialects/mercer/IR/Mercer.h"

namespace mercer {

/// Loop roles as bare keywords: `[batch, row, col]`.
inline mlir::ParseResult parsePairDims(mlir::OpAsmParser &parser,
                                       mlir::ArrayAttr &dims) {
  llvm::SmallVector<mlir::Attribute> attrs;
  auto parseOne = [&]() -> mlir::ParseResult {
    llvm::SMLoc loc = parser.getCurrentLocation();
    llvm::StringRef keyword;
    if (parser.parseKeyword(&keyword))
      return mlir::failure();
    std::optional<PairDim> dim = symbolizePairDim(keyword);
    if (!dim)
      return parser.emitError(loc, "expects batch, row, col, feature or value, "
                                   "got '")
             << keyword << "'";
    attrs.push_back(PairDimAttr::get(parser.getContext(), *dim));
    return mlir::success();
  };
  if (parser.parseCommaSeparatedList(mlir::AsmParser::Delimiter::Square,
                                     parseOne))
    return mlir::failure();
  dims = parser.getBuilder().getArrayAttr(attrs);
  return mlir::success();
}

inline void printPairDims(mlir::OpAsmPrinter &p, mlir::Operation *,
                          mlir::ArrayAttr dims) {
  p << '[';
  llvm::interleaveComma(dims, p, [&](mlir::Attribute dim) {
    p << stringifyPairDim(mlir::cast<PairDimAttr>(dim).getValue());
  });
  p << ']';
}

} // namespace mercer

#endif
