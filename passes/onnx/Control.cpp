// Control flow whose course is known: If with a host condition that folds.
#include "passes/onnx/Node.h"

namespace mercer::lowering {

namespace {

LogicalResult lowerIf(Context &c, Node &n) {
  Region *yes = n.op.subgraph("then_branch"),
         *no = n.op.subgraph("else_branch");
  if (!yes || !no)
    return n.fail(InvalidAttribute, "a branch is missing");
  std::optional<Ints> condition = c.L.constInts(n.in(0));
  if (condition && condition->size() == 1) {
    FailureOr<SmallVector<TValue>> r =
        c.inlineRegion(condition->front() ? *yes : *no, {});
    return failed(r) ? failure() : n.done(*r);
  }
  // Both branches are pure: compute both and choose, where their shapes agree.
  FailureOr<SmallVector<TValue>> a = c.inlineRegion(*yes, {});
  if (failed(a))
    return failure();
  FailureOr<SmallVector<TValue>> b = c.inlineRegion(*no, {});
  if (failed(b))
    return failure();
  TValue flag = c.L.reshape(n.in(0), {});
  SmallVector<TValue> out;
  for (auto [x, y] : llvm::zip(*a, *b)) {
    if (!x || !y || x.dtype != y.dtype ||
        c.L.type(x.value).getShape() != c.L.type(y.value).getShape())
      return n.fail(UnsupportedOperator,
                    "a condition known only at run time whose branches "
                    "differ in type or shape");
    out.push_back(c.L.map({flag, x, y}, x.dtype, [](Scalar &s, ValueRange v) {
      return s.select(s.toBool(v[0]), v[1], v[2]);
    }));
  }
  return n.done(out);
}

/// The number of iterations of a Loop, if the host knows it and the condition
/// that the body yields stays true.
LogicalResult lowerLoop(Context &c, Node &n) {
  constexpr int64_t kMaxUnroll = 64;
  Region *body = n.op.subgraph("body");
  if (!body)
    return n.fail(InvalidAttribute, "the body is missing");
  std::optional<Ints> trips = c.L.constInts(n.in(0)),
                      start = c.L.constInts(n.in(1));
  bool knownStart = !n.has(1) || (start && start->size() == 1);
  if (!knownStart || !trips || trips->size() != 1)
    return n.fail(
        UnsupportedOperator,
        "a trip count known only at run time; supported are constant ones");
  int64_t count = n.has(1) && start->front() == 0 ? 0 : trips->front();
  if (count > kMaxUnroll)
    return n.fail(UnsupportedOperator, Twine(count) +
                                           " iterations; supported are up to " +
                                           Twine(kMaxUnroll));
  size_t states = n.inputs.size() > 2 ? n.inputs.size() - 2 : 0;
  SmallVector<TValue> carried(
      n.inputs.begin() + std::min<size_t>(2, n.inputs.size()), n.inputs.end());
  SmallVector<SmallVector<TValue>> scanned(n.numOutputs() - states);
  for (int64_t k = 0; k < count; ++k) {
    SmallVector<TValue> args = {c.L.constantInts(DType::I64, {}, {k}),
                                c.L.constantInts(DType::Bool, {}, {1})};
    args.append(carried);
    FailureOr<SmallVector<TValue>> r = c.inlineRegion(*body, args);
    if (failed(r))
      return failure();
    carried.assign(r->begin() + 1, r->begin() + 1 + states);
    for (size_t s = 0; s < scanned.size(); ++s)
      scanned[s].push_back((*r)[1 + states + s]);
    std::optional<Ints> next = c.L.constInts(r->front());
    if (!next)
      return n.fail(
          UnsupportedOperator,
          "a condition known only at run time; supported are constant ones");
    if (!next->front())
      break;
  }
  SmallVector<TValue> out = carried;
  for (SmallVector<TValue> &parts : scanned) {
    if (parts.empty())
      return n.fail(UnsupportedOperator,
                    "a loop without iterations that collects outputs");
    for (TValue &p : parts) {
      Sizes sizes = c.L.dims(p.value);
      sizes.insert(sizes.begin(), c.L.idx(1));
      p = c.L.reshape(p, sizes);
    }
    out.push_back(c.L.concat(parts, 0));
  }
  return n.done(out);
}

/// Scan over static extents, one body a step.
LogicalResult lowerScan(Context &c, Node &n) {
  constexpr int64_t kMaxUnroll = 64;
  Lowering &L = c.L;
  Region *body = n.op.subgraph("body");
  int64_t scans = n.i("num_scan_inputs", 0);
  int64_t total = n.inputs.size(), states = total - scans;
  if (!body || scans <= 0 || states < 0 || n.numOutputs() < states)
    return n.fail(InvalidAttribute, "num_scan_inputs is " + Twine(scans) +
                                        " of " + Twine(total) + " operands");
  int64_t outs = n.numOutputs() - states;
  Ints inAxes = n.ints("scan_input_axes", Ints(scans, 0)),
       inReverse = n.ints("scan_input_directions", Ints(scans, 0)),
       outAxes = n.ints("scan_output_axes", Ints(outs, 0)),
       outReverse = n.ints("scan_output_directions", Ints(outs, 0));
  if (static_cast<int64_t>(inAxes.size()) != scans ||
      static_cast<int64_t>(inReverse.size()) != scans ||
      static_cast<int64_t>(outAxes.size()) != outs ||
      static_cast<int64_t>(outReverse.size()) != outs)
    return n.fail(InvalidAttribute,
                  "axes and directions do not match the operands");
  std::optional<int64_t> steps;
  for (int64_t k = 0; k < scans; ++k) {
    TValue x = n.in(states + k);
    FailureOr<int64_t> a = n.axis(inAxes[k], L.rank(x.value));
    if (failed(a))
      return failure();
    inAxes[k] = *a;
    std::optional<int64_t> extent = L.number(L.dim(x.value, *a));
    if (!extent || (steps && *steps != *extent))
      return n.fail(UnsupportedOperator,
                    "a number of steps known only at run time; "
                    "supported are static ones");
    steps = extent;
  }
  if (*steps > kMaxUnroll || *steps == 0)
    return n.fail(UnsupportedOperator, Twine(*steps) +
                                           " steps; supported are 1 to " +
                                           Twine(kMaxUnroll));
  SmallVector<TValue> carried(n.inputs.begin(), n.inputs.begin() + states);
  SmallVector<SmallVector<TValue>> parts(outs);
  for (int64_t step = 0; step < *steps; ++step) {
    SmallVector<TValue> args = carried;
    for (int64_t k = 0; k < scans; ++k) {
      TValue x = n.in(states + k);
      Sizes size = L.dims(x.value), offset(size.size(), L.idx(0));
      offset[inAxes[k]] = L.idx(inReverse[k] ? *steps - 1 - step : step);
      size[inAxes[k]] = L.idx(1);
      TValue piece = L.slice(x, offset, size, Ints(size.size(), 1));
      size.erase(size.begin() + inAxes[k]);
      args.push_back(L.reshape(piece, size));
    }
    FailureOr<SmallVector<TValue>> r = c.inlineRegion(*body, args);
    if (failed(r))
      return failure();
    carried.assign(r->begin(), r->begin() + states);
    for (int64_t k = 0; k < outs; ++k) {
      TValue y = (*r)[states + k];
      FailureOr<int64_t> a = n.axis(outAxes[k], L.rank(y.value) + 1);
      if (failed(a))
        return failure();
      Sizes size = L.dims(y.value);
      size.insert(size.begin() + *a, L.idx(1));
      y = L.reshape(y, size);
      parts[k].insert(outReverse[k] ? parts[k].begin() : parts[k].end(), y);
    }
  }
  SmallVector<TValue> out = carried;
  for (int64_t k = 0; k < outs; ++k) {
    int64_t a = outAxes[k];
    out.push_back(
        L.concat(parts[k], a < 0 ? a + L.rank(parts[k].front().value) : a));
  }
  return n.done(out);
}

} // namespace

void registerControl(Registry &r) {
  r.add("If", lowerIf);
  r.add("Loop", lowerLoop);
  r.add("Scan", lowerScan, 9);
}

} // namespace mercer::lowering
