// Einsum: one loop a letter. Two operands are a contraction, others a generic.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

namespace mercer::lowering {

namespace {

/// One term such as "b...ij": letters, and where the ellipsis stands.
struct Term {
  SmallVector<char> letters;
  int64_t ellipsis = -1;
};

FailureOr<Term> parseTerm(Node &n, StringRef text) {
  Term t;
  while (!text.empty()) {
    if (text.consume_front(" "))
      continue;
    if (text.consume_front("...")) {
      if (t.ellipsis >= 0)
        return n.fail(InvalidAttribute,
                      "equation has two ellipses in one term");
      t.ellipsis = t.letters.size();
      continue;
    }
    if (!llvm::isAlpha(text.front()))
      return n.fail(InvalidAttribute, "equation has an unexpected character '" +
                                          text.take_front(1) + "'");
    t.letters.push_back(text.front());
    text = text.drop_front();
  }
  return t;
}

LogicalResult lowerEinsum(Context &c, Node &n) {
  Lowering &L = c.L;
  StringRef equation = n.s("equation");
  auto [left, right] = equation.split("->");
  bool explicitOutput = equation.contains("->");
  SmallVector<StringRef> parts;
  left.split(parts, ',');
  if (parts.size() != n.inputs.size())
    return n.fail(InvalidAttribute, "equation has " + Twine(parts.size()) +
                                        " terms for " + Twine(n.inputs.size()) +
                                        " operands");
  SmallVector<Term> terms;
  int64_t broadcast = 0;
  for (auto [i, p] : llvm::enumerate(parts)) {
    FailureOr<Term> t = parseTerm(n, p);
    if (failed(t))
      return failure();
    int64_t extra =
        L.rank(n.in(i).value) - static_cast<int64_t>(t->letters.size());
    if (extra < 0 || (extra > 0 && t->ellipsis < 0))
      return n.fail(InvalidShape, "operand " + Twine(i) + " has rank " +
                                      Twine(L.rank(n.in(i).value)) +
                                      ", its term names " +
                                      Twine(t->letters.size()) + " dims");
    broadcast = std::max(broadcast, extra);
    terms.push_back(*t);
  }
  Term out;
  if (explicitOutput) {
    FailureOr<Term> t = parseTerm(n, right);
    if (failed(t))
      return failure();
    out = *t;
  } else {
    std::map<char, int> count;
    for (const Term &t : terms)
      for (char ch : t.letters)
        ++count[ch];
    out.ellipsis = broadcast ? 0 : -1;
    for (auto [ch, k] : count)
      if (k == 1)
        out.letters.push_back(ch);
  }
  // Loops: output order first (ellipsis dims, then letters), reduced ones last.
  SmallVector<std::string> loops;
  auto loopNames = [&](const Term &t, int64_t extra) {
    SmallVector<std::string> names;
    for (size_t i = 0; i <= t.letters.size(); ++i) {
      if (static_cast<int64_t>(i) == t.ellipsis)
        for (int64_t k = 0; k < extra; ++k)
          names.push_back("." + std::to_string(broadcast - extra + k));
      if (i < t.letters.size())
        names.push_back(std::string(1, t.letters[i]));
    }
    return names;
  };
  auto loopOf = [&](const std::string &name) -> int64_t {
    auto it = llvm::find(loops, name);
    if (it == loops.end()) {
      loops.push_back(name);
      return loops.size() - 1;
    }
    return it - loops.begin();
  };
  SmallVector<std::string> outNames =
      loopNames(out, out.ellipsis >= 0 ? broadcast : 0);
  for (const std::string &name : outNames)
    loopOf(name);
  size_t parallel = loops.size();
  if (parallel != outNames.size())
    return n.fail(InvalidAttribute, "equation repeats a letter in the output");
  SmallVector<SmallVector<int64_t>> dimsOf;
  for (auto [i, t] : llvm::enumerate(terms)) {
    int64_t extra =
        L.rank(n.in(i).value) - static_cast<int64_t>(t.letters.size());
    SmallVector<int64_t> d;
    for (const std::string &name : loopNames(t, extra))
      d.push_back(loopOf(name));
    dimsOf.push_back(d);
  }
  Sizes extent(loops.size(), OpFoldResult());
  for (auto [i, d] : llvm::enumerate(dimsOf))
    for (auto [k, loop] : llvm::enumerate(d)) {
      OpFoldResult s = L.dim(n.in(i).value, k);
      OpFoldResult &e = extent[loop];
      if (!e || L.isConst(e, 1)) {
        e = s;
      } else if (!L.isConst(s, 1)) {
        if (L.number(s) && L.number(e) && *L.number(s) != *L.number(e))
          return n.fail(InvalidShape,
                        "letter '" + loops[loop] + "' has two sizes");
        L.guardEqual(s, e, "einsum dims of one letter differ");
      }
    }
  for (OpFoldResult e : extent)
    if (!e)
      return n.fail(InvalidAttribute,
                    "equation has an output letter that no operand has");
  unsigned count = loops.size();
  SmallVector<AffineMap> maps;
  bool plain = true;
  for (auto [i, d] : llvm::enumerate(dimsOf)) {
    SmallVector<AffineExpr> exprs;
    llvm::DenseSet<int64_t> seen;
    for (auto [k, loop] : llvm::enumerate(d)) {
      bool unit =
          L.isConst(L.dim(n.in(i).value, k), 1) && !L.isConst(extent[loop], 1);
      plain &= !unit && seen.insert(loop).second;
      exprs.push_back(unit ? L.b.getAffineConstantExpr(0)
                           : L.b.getAffineDimExpr(loop));
    }
    maps.push_back(AffineMap::get(count, 0, exprs, L.ctx()));
  }
  AffineMap outMap = L.b.getMultiDimIdentityMap(parallel);
  outMap = AffineMap::get(count, 0, outMap.getResults(), L.ctx());
  DType t = n.in(0).dtype, acc = accumulatorType(t);
  Sizes sizes(extent.begin(), extent.begin() + parallel);
  if (plain && n.inputs.size() == 2 && count > parallel) {
    maps.push_back(outMap);
    return n.done(contract(L, n.inputs, maps, sizes, t));
  }
  SmallVector<utils::IteratorType> iters(count, utils::IteratorType::reduction);
  std::fill(iters.begin(), iters.begin() + parallel,
            utils::IteratorType::parallel);
  SmallVector<Value> values;
  for (TValue v : n.inputs)
    values.push_back(v.value);
  bool reduces = count > parallel;
  Value init = reduces ? L.filled(sizes, L.scalar().number(acc, 0))
                       : L.empty(sizes, storageType(acc, L.ctx()));
  Value r = L.generic(values, maps, init, outMap, iters,
                      [&](Scalar &s, ValueRange a) {
                        Value p;
                        for (size_t i = 0; i < values.size(); ++i) {
                          Value x = s.cast(a[i], n.in(i).dtype, acc);
                          p = p ? s.mul(p, x) : x;
                        }
                        return reduces ? s.add(a.back(), p) : p;
                      });
  return n.doneMap(L.castTo({r, acc}, t));
}

} // namespace

void registerEinsum(Registry &r) { r.add("Einsum", lowerEinsum); }

} // namespace mercer::lowering
