// Resize, Upsample and GridSample: gathers with computed float coordinates.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

namespace mercer::lowering {

namespace {

constexpr DType F = DType::F32;

struct ResizeMode {
  StringRef mode, coordinates, nearest;
  double cubic = -0.75;
  bool excludeOutside = false, antialias = false;
};

/// Original coordinate of output position `at` along one dim.
Value originalCoordinate(Scalar &s, StringRef kind, Value at, Value scale,
                         Value inSize, Value outSize, Value outCount,
                         Value roiStart, Value roiEnd) {
  auto num = [&](double v) { return s.number(F, v); };
  if (kind == "asymmetric")
    return s.div(F, at, scale);
  if (kind == "align_corners") {
    Value one = num(1), steps = s.sub(outSize, one);
    Value r = s.div(F, s.mul(at, s.sub(inSize, one)), steps);
    return s.select(s.cmp(F, Scalar::EQ, outSize, one), num(0), r);
  }
  if (kind == "tf_crop_and_resize") {
    Value one = num(1), last = s.sub(inSize, one);
    Value span = s.mul(s.sub(roiEnd, roiStart), last);
    Value wide = s.add(s.mul(roiStart, last),
                       s.div(F, s.mul(at, span), s.sub(outSize, one)));
    Value middle = s.mul(s.mul(num(0.5), s.add(roiStart, roiEnd)), last);
    return s.select(s.cmp(F, Scalar::GT, outSize, one), wide, middle);
  }
  Value half = s.sub(s.div(F, s.add(at, num(0.5)), scale), num(0.5));
  if (kind == "pytorch_half_pixel")
    return s.select(s.cmp(F, Scalar::GT, outSize, num(1)), half, num(0));
  if (kind == "half_pixel_symmetric") {
    // The output may not be exactly in * scale: centre what is left over.
    Value adjust = s.div(F, outCount, outSize);
    Value centre = s.div(F, inSize, num(2));
    return s.add(s.mul(centre, s.sub(num(1), adjust)), half);
  }
  return half;
}

Value nearestOf(Scalar &s, StringRef mode, Value x) {
  auto num = [&](double v) { return s.number(F, v); };
  if (mode == "floor")
    return s.un<math::FloorOp>(x);
  if (mode == "ceil")
    return s.un<math::CeilOp>(x);
  if (mode == "round_prefer_ceil")
    return s.un<math::FloorOp>(s.add(x, num(0.5)));
  return s.un<math::CeilOp>(s.sub(x, num(0.5))); // round_prefer_floor
}

Value toIndexF(Scalar &s, Value x) {
  return s.toIndex(s.cast(x, F, DType::I32), DType::I32);
}

/// Cubic convolution weight at distance |d|.
Value cubicWeight(Scalar &s, Value d, double a) {
  auto num = [&](double v) { return s.number(F, v); };
  Value x = s.un<math::AbsFOp>(d);
  // (a+2)x^3 - (a+3)x^2 + 1 and a x^3 - 5a x^2 + 8a x - 4a
  Value near = s.add(
      s.mul(s.mul(s.sub(s.mul(num(a + 2), x), num(a + 3)), x), x), num(1));
  Value far = s.sub(
      s.mul(s.add(s.mul(s.sub(s.mul(num(a), x), num(5 * a)), x), num(8 * a)),
            x),
      num(4 * a));
  Value outer = s.select(s.cmp(F, Scalar::LT, x, num(2)), far, num(0));
  return s.select(s.cmp(F, Scalar::LE, x, num(1)), near, outer);
}

struct Dim {
  int64_t axis;
  // f32 host values. outSize is in * scale as a real number, outCount the
  // number of output elements.
  Value scale, inSize, outSize, outCount, roiStart, roiEnd;
  Value inIndex;
};

/// Taps along one dim: positions (index) and weights.
struct Taps {
  SmallVector<Value> at, weight;
};

Taps tapsOf(Scalar &s, const ResizeMode &m, const Dim &d, Value at) {
  auto num = [&](double v) { return s.number(F, v); };
  Value x =
      originalCoordinate(s, m.coordinates, s.fromIndex(at, F), d.scale,
                         d.inSize, d.outSize, d.outCount, d.roiStart, d.roiEnd);
  Value top = s.sub(d.inSize, num(1));
  auto clampTo = [&](Value v) { return s.min(F, s.max(F, v, num(0)), top); };
  Taps t;
  if (m.mode == "nearest") {
    t.at.push_back(toIndexF(s, clampTo(nearestOf(s, m.nearest, x))));
    return t;
  }
  Value base = s.un<math::FloorOp>(x), frac = s.sub(x, base);
  int first = m.mode == "cubic" ? -1 : 0, last = m.mode == "cubic" ? 2 : 1;
  Value total;
  for (int k = first; k <= last; ++k) {
    Value p = s.add(base, num(k));
    Value w = m.mode == "cubic" ? cubicWeight(s, s.sub(frac, num(k)), m.cubic)
                                : (k == 0 ? s.sub(num(1), frac) : frac);
    if (m.excludeOutside) {
      Value inside = s.logicalAnd(s.cmp(F, Scalar::GE, p, num(0)),
                                  s.cmp(F, Scalar::LE, p, top));
      w = s.select(inside, w, num(0));
      total = total ? s.add(total, w) : w;
    }
    t.at.push_back(toIndexF(s, clampTo(p)));
    t.weight.push_back(w);
  }
  if (m.excludeOutside)
    for (Value &w : t.weight)
      w = s.div(F, w, total);
  return t;
}

/// Interpolates along dim `k` of `dims` and the ones after it.
Value interpolate(Lowering &L, Scalar &s, TValue x, ArrayRef<Taps> taps,
                  ArrayRef<Dim> dims, size_t k, SmallVector<Value> &index) {
  if (k == dims.size()) {
    Value v = L.extract(s, x.value, index);
    return v;
  }
  if (taps[k].weight.empty()) {
    index[dims[k].axis] = taps[k].at[0];
    return interpolate(L, s, x, taps, dims, k + 1, index);
  }
  Value sum;
  for (auto [at, w] : llvm::zip_equal(taps[k].at, taps[k].weight)) {
    index[dims[k].axis] = at;
    Value v = interpolate(L, s, x, taps, dims, k + 1, index);
    if (v.getType() != w.getType())
      v = s.cast(v, x.dtype, F);
    Value term = s.mul(v, w);
    sum = sum ? s.add(sum, term) : term;
  }
  return sum;
}

LogicalResult resize(Context &c, Node &n, const ResizeMode &m, TValue scalesIn,
                     TValue sizesIn, TValue roi,
                     std::optional<SmallVector<double>> scaleAttr) {
  Lowering &L = c.L;
  TValue x = n.in(0);
  Sizes in = L.dims(x.value), out = in;
  int64_t rank = in.size();
  Ints all;
  for (int64_t i = 0; i < rank; ++i)
    all.push_back(i);
  FailureOr<Ints> axes = n.axes(n.ints("axes", all), rank);
  if (failed(axes))
    return failure();
  size_t count = axes->size();
  std::optional<Ints> declared = n.declaredShape(0);
  Scalar host = L.scalar();
  auto toF = [&](OpFoldResult r) -> Value {
    if (std::optional<int64_t> k = L.number(r))
      return host.number(F, static_cast<double>(*k));
    return host.fromIndex(cast<Value>(r), F);
  };

  SmallVector<Value> scale(count);
  SmallVector<std::optional<double>> known(count);
  if (sizesIn) {
    std::optional<Sizes> sizes = L.asScalars(sizesIn);
    if (!sizes || sizes->size() != count)
      return n.fail(InvalidShape,
                    "sizes must have " + Twine(count) + " integers");
    StringRef policy = n.s("keep_aspect_ratio_policy", "stretch");
    if (policy != "stretch") {
      // One scale for all: the smallest or largest ratio.
      bool fixed = true;
      double best = 0;
      Value bestValue;
      for (auto [k, a] : llvm::enumerate(*axes)) {
        std::optional<int64_t> want = L.number((*sizes)[k]),
                               have = L.number(in[a]);
        fixed &= want && have;
        if (fixed) {
          double r = static_cast<double>(*want) / *have;
          bool smaller = policy == "not_larger";
          best = k == 0 ? r : smaller ? std::min(best, r) : std::max(best, r);
        }
        Value r = host.div(F, toF((*sizes)[k]), toF(in[a]));
        if (bestValue)
          r = policy == "not_larger" ? host.min(F, bestValue, r)
                                     : host.max(F, bestValue, r);
        bestValue = r;
      }
      for (auto [k, a] : llvm::enumerate(*axes)) {
        if (fixed) {
          known[k] = best;
          out[a] = L.idx(static_cast<int64_t>(best * *L.number(in[a]) + 0.5));
          continue;
        }
        scale[k] = bestValue;
        Value size =
            host.add(host.mul(bestValue, toF(in[a])), host.number(F, 0.5));
        out[a] = declared ? L.idx((*declared)[a]) : toIndexF(host, size);
      }
    } else {
      for (auto [k, a] : llvm::enumerate(*axes)) {
        out[a] = (*sizes)[k];
        if (!L.number(out[a]) && declared)
          out[a] = L.idx((*declared)[a]);
        if (L.number(out[a]) && L.number(in[a]))
          known[k] = static_cast<double>(*L.number(out[a])) / *L.number(in[a]);
        else
          scale[k] = host.div(F, toF(out[a]), toF(in[a]));
      }
    }
  } else {
    std::optional<SmallVector<double>> values =
        scaleAttr ? scaleAttr : L.constDoubles(scalesIn);
    if (values && values->size() != count)
      return n.fail(InvalidShape,
                    "scales must have " + Twine(count) + " values");
    for (auto [k, a] : llvm::enumerate(*axes)) {
      if (values) {
        double v = (*values)[k];
        known[k] = v;
        if (v == 1.0)
          continue;
        if (std::optional<int64_t> size = L.number(in[a])) {
          out[a] = L.idx(static_cast<int64_t>(static_cast<float>(*size) *
                                              static_cast<float>(v)));
        } else if (v == static_cast<int64_t>(v)) {
          out[a] = L.mul(in[a], L.idx(static_cast<int64_t>(v)));
        } else {
          Value r =
              host.un<math::FloorOp>(host.mul(toF(in[a]), host.number(F, v)));
          out[a] = toIndexF(host, r);
        }
        continue;
      }
      if (std::optional<Sizes> sc = L.scalars(scalesIn);
          sc && sc->size() == count)
        scale[k] = L.scalarValue((*sc)[k], scalesIn.dtype);
      else
        scale[k] = tensor::ExtractOp::create(L.b, L.loc, scalesIn.value,
                                             ValueRange{host.index(k)});
      if (declared) {
        out[a] = L.idx((*declared)[a]);
      } else {
        Value r = host.un<math::FloorOp>(host.mul(toF(in[a]), scale[k]));
        out[a] = toIndexF(host, r);
      }
    }
  }
  bool crop = m.coordinates == "tf_crop_and_resize";
  SmallVector<Dim> dims;
  for (auto [k, a] : llvm::enumerate(*axes)) {
    // A dim that keeps its size is copied.
    if (!crop && known[k] && *known[k] == 1.0 && L.sameSize(in[a], out[a]))
      continue;
    if (!crop && !known[k] && L.sameSize(in[a], out[a]))
      continue;
    Dim d;
    d.axis = a;
    d.scale = known[k] ? host.number(F, *known[k]) : scale[k];
    d.inSize = toF(in[a]);
    d.outCount = toF(out[a]);
    std::optional<int64_t> extent = L.number(in[a]);
    if (known[k] && extent)
      d.outSize = host.number(F, *known[k] * *extent);
    else
      d.outSize = host.mul(d.scale, d.inSize);
    if (crop && roi) {
      auto read = [&](int64_t i) -> Value {
        Value v = tensor::ExtractOp::create(L.b, L.loc, roi.value,
                                            ValueRange{host.index(i)});
        return host.cast(v, roi.dtype, F);
      };
      d.roiStart = read(k);
      d.roiEnd = read(k + count);
    } else {
      d.roiStart = host.number(F, 0);
      d.roiEnd = host.number(F, 1);
    }
    dims.push_back(d);
  }
  if (dims.empty())
    return n.done(x);
  double outside = n.f("extrapolation_value", 0);
  DType t = x.dtype;
  bool blends = m.mode != "nearest";
  if (blends && isInteger(t) && bitWidth(t) > 32)
    return n.failType(0, "a type of at most 32 bits");
  return n.done(L.compute(t, out, [&](Scalar &s, ValueRange at) {
    SmallVector<Taps> taps;
    for (const Dim &d : dims)
      taps.push_back(tapsOf(s, m, d, at[d.axis]));
    SmallVector<Value> index(at.begin(), at.end());
    Value v = interpolate(L, s, x, taps, dims, 0, index);
    if (blends) {
      if (isInteger(t)) // the reference truncates
        v = s.cast(v, F, t);
      else
        v = s.cast(v, F, t);
    }
    if (crop) {
      Value inside;
      for (const Dim &d : dims) {
        Value p = originalCoordinate(
            s, m.coordinates, s.fromIndex(at[d.axis], F), d.scale, d.inSize,
            d.outSize, d.outCount, d.roiStart, d.roiEnd);
        Value ok = s.logicalAnd(
            s.cmp(F, Scalar::GE, p, s.number(F, 0)),
            s.cmp(F, Scalar::LE, p, s.sub(d.inSize, s.number(F, 1))));
        inside = inside ? s.logicalAnd(inside, ok) : ok;
      }
      v = s.select(inside, v, s.number(t, outside));
    }
    return v;
  }));
}

LogicalResult lowerResize(Context &c, Node &n) {
  ResizeMode m;
  m.mode = n.s("mode", "nearest");
  m.coordinates = n.s("coordinate_transformation_mode",
                      n.opset() < 11 ? "asymmetric" : "half_pixel");
  m.nearest =
      n.s("nearest_mode", n.opset() < 11 ? "floor" : "round_prefer_floor");
  m.cubic = n.f("cubic_coeff_a", -0.75);
  m.excludeOutside = n.i("exclude_outside", 0);
  if (m.mode != "nearest" && m.mode != "linear" && m.mode != "cubic")
    return n.fail(InvalidAttribute, "mode is '" + m.mode + "'");
  if (n.i("antialias", 0))
    return n.fail(UnsupportedOperator,
                  "attribute antialias = 1; supported is 0");
  if (n.opset() < 11)
    return resize(c, n, m, n.in(1), {}, {}, std::nullopt);
  TValue scales = n.in(2), sizes = n.in(3);
  if (scales && c.L.isConst(c.L.dim(scales.value, 0), 0))
    scales = {};
  if (!scales == !sizes)
    return n.fail(InvalidShape,
                  "exactly one of scales and sizes must be given");
  return resize(c, n, m, scales, sizes, n.in(1), std::nullopt);
}

LogicalResult lowerUpsample(Context &c, Node &n) {
  ResizeMode m;
  m.mode = n.s("mode", "nearest");
  m.coordinates = "asymmetric";
  m.nearest = "floor";
  if (m.mode != "nearest" && m.mode != "linear")
    return n.fail(InvalidAttribute, "mode is '" + m.mode + "'");
  std::optional<SmallVector<double>> attr;
  if (n.hasAttr("scales")) {
    SmallVector<float> v = n.op.floatsAttr("scales");
    attr.emplace(v.begin(), v.end());
  }
  if (!attr && !n.has(1))
    return n.fail(InvalidAttribute, "scales are missing");
  return resize(c, n, m, n.in(1), {}, {}, attr);
}

LogicalResult lowerGridSample(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), grid = n.in(1);
  Sizes xs = L.dims(x.value), gs = L.dims(grid.value);
  int64_t spatial = static_cast<int64_t>(xs.size()) - 2;
  StringRef mode = n.s("mode", n.opset() < 20 ? "bilinear" : "linear");
  StringRef padding = n.s("padding_mode", "zeros");
  bool align = n.i("align_corners", 0);
  if (mode == "bilinear")
    mode = "linear";
  if (mode == "bicubic")
    mode = "cubic";
  if (spatial < 1 || gs.size() != xs.size() || !L.isConst(gs.back(), spatial))
    return n.fail(InvalidShape,
                  "grid does not fit an operand of rank " + Twine(xs.size()));
  if (mode != "linear" && mode != "nearest" && mode != "cubic")
    return n.fail(InvalidAttribute, "mode is '" + mode + "'");
  if (padding != "zeros" && padding != "border" && padding != "reflection")
    return n.fail(InvalidAttribute, "padding_mode is '" + padding + "'");
  Sizes out = {xs[0], xs[1]};
  out.append(gs.begin() + 1, gs.end() - 1);
  Scalar host = L.scalar();
  SmallVector<Value> size;
  for (int64_t d = 0; d < spatial; ++d)
    size.push_back(host.fromIndex(L.asValue(xs[2 + d]), F));
  DType t = x.dtype;
  if (!isFloat(t))
    return n.failType(0, "a floating-point type");
  return n.done(L.compute(t, out, [&](Scalar &s, ValueRange at) {
    auto num = [&](double v) { return s.number(F, v); };
    SmallVector<Value> point;
    for (int64_t d = 0; d < spatial; ++d) {
      // The grid lists x before y: the last spatial dim first.
      SmallVector<Value> g = {at[0]};
      g.append(at.begin() + 2, at.end());
      g.push_back(s.index(spatial - 1 - d));
      Value v = s.cast(L.extract(s, grid.value, g), grid.dtype, F);
      Value r = align
                    ? s.mul(s.div(F, s.add(v, num(1)), num(2)),
                            s.sub(size[d], num(1)))
                    : s.div(F, s.sub(s.mul(s.add(v, num(1)), size[d]), num(1)),
                            num(2));
      point.push_back(r);
    }
    auto reflect = [&](Value v, int64_t d) {
      Value low = align ? num(0) : num(-0.5);
      Value span = align ? s.sub(size[d], num(1)) : size[d];
      Value off = s.un<math::AbsFOp>(s.sub(v, low));
      Value safe = s.max(F, span, num(1e-20));
      Value turns = s.un<math::FloorOp>(s.div(F, off, safe));
      Value rest = s.sub(off, s.mul(turns, safe));
      Value odd = s.sub(
          turns, s.mul(num(2), s.un<math::FloorOp>(s.mul(turns, num(0.5)))));
      Value r =
          s.select(s.cmp(F, Scalar::EQ, odd, num(0)), rest, s.sub(span, rest));
      return s.add(r, low);
    };
    auto clampTo = [&](Value v, int64_t d) {
      return s.min(F, s.max(F, v, num(0)), s.sub(size[d], num(1)));
    };
    // Reads one integer point under the padding rule.
    auto read = [&](ArrayRef<Value> p) {
      SmallVector<Value> index = {at[0], at[1]};
      Value inside;
      for (int64_t d = 0; d < spatial; ++d) {
        Value v = p[d];
        if (padding == "reflection")
          v = reflect(v, d);
        if (padding == "zeros") {
          Value ok =
              s.logicalAnd(s.cmp(F, Scalar::GE, v, num(0)),
                           s.cmp(F, Scalar::LE, v, s.sub(size[d], num(1))));
          inside = inside ? s.logicalAnd(inside, ok) : ok;
        }
        index.push_back(toIndexF(s, clampTo(v, d)));
      }
      Value v = s.cast(L.extract(s, x.value, index), t, F);
      return inside ? s.select(inside, v, num(0)) : v;
    };
    if (padding != "zeros" && mode != "cubic")
      for (int64_t d = 0; d < spatial; ++d) {
        point[d] = padding == "reflection" ? reflect(point[d], d) : point[d];
        point[d] = clampTo(point[d], d);
      }
    if (mode == "nearest") {
      SmallVector<Value> p;
      for (Value v : point)
        p.push_back(s.un<math::RoundEvenOp>(v));
      return s.cast(read(p), F, t);
    }
    int first = mode == "cubic" ? -1 : 0, last = mode == "cubic" ? 2 : 1;
    SmallVector<Value> base, p(spatial);
    for (Value v : point)
      base.push_back(s.un<math::FloorOp>(v));
    std::function<Value(int64_t)> blend = [&](int64_t d) -> Value {
      if (d == spatial)
        return read(p);
      Value sum, frac = s.sub(point[d], base[d]);
      for (int k = first; k <= last; ++k) {
        p[d] = s.add(base[d], num(k));
        Value w = mode == "cubic" ? cubicWeight(s, s.sub(frac, num(k)), -0.75)
                                  : (k == 0 ? s.sub(num(1), frac) : frac);
        Value term = s.mul(blend(d + 1), w);
        sum = sum ? s.add(sum, term) : term;
      }
      return sum;
    };
    return s.cast(blend(0), F, t);
  }));
}

} // namespace

void registerResize(Registry &r) {
  r.add("Resize", lowerResize, 10);
  r.add("Upsample", lowerUpsample, 7);
  r.add("GridSample", lowerGridSample);
}

} // namespace mercer::lowering
