// Conv, ConvTranspose, ConvInteger, and the geometry shared with pooling.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

#include "dialects/mercer/IR/Mercer.h"

namespace mercer::lowering {

static LogicalResult checkPositive(Node &n, ArrayRef<int64_t> v,
                                   StringRef what) {
  for (int64_t x : v)
    if (x <= 0)
      return n.fail(InvalidAttribute,
                    what + " has the value " + Twine(x) + ", expected > 0");
  return success();
}

/// Size list of an attribute, or `count` times `fallback`; checks the length.
static FailureOr<Ints> spatial(Node &n, StringRef attr, size_t count,
                               int64_t fallback) {
  Ints v = n.ints(attr);
  if (v.empty())
    v.assign(count, fallback);
  if (v.size() != count)
    return n.fail(InvalidAttribute, attr + " has " + Twine(v.size()) +
                                        " values, expected " + Twine(count));
  return v;
}

FailureOr<Window> windowOf(Context &c, Node &n, Value input,
                           ArrayRef<int64_t> kernel, bool ceil) {
  Lowering &L = c.L;
  size_t count = kernel.size();
  Window w;
  w.kernel.assign(kernel.begin(), kernel.end());
  FailureOr<Ints> strides = spatial(n, "strides", count, 1);
  FailureOr<Ints> dilations = spatial(n, "dilations", count, 1);
  FailureOr<Ints> pads = spatial(n, "pads", 2 * count, 0);
  if (failed(strides) || failed(dilations) || failed(pads) ||
      failed(checkPositive(n, *strides, "strides")) ||
      failed(checkPositive(n, *dilations, "dilations")) ||
      failed(checkPositive(n, kernel, "the kernel shape")))
    return failure();
  w.strides = *strides;
  w.dilations = *dilations;
  StringRef autoPad = n.s("auto_pad", "NOTSET");
  bool same = autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER";
  if (!same && autoPad != "NOTSET" && autoPad != "VALID")
    return n.fail(InvalidAttribute, "auto_pad is '" + autoPad + "'");
  for (size_t i = 0; i < count; ++i) {
    int64_t span = (kernel[i] - 1) * w.dilations[i] + 1, stride = w.strides[i];
    OpFoldResult in = L.dim(input, i + 2);
    int64_t low = 0, high = 0;
    if (autoPad == "NOTSET") {
      low = (*pads)[i];
      high = (*pads)[i + count];
    } else if (same) {
      int64_t total;
      if (std::optional<int64_t> size = L.number(in)) {
        int64_t out = (*size + stride - 1) / stride;
        total = std::max<int64_t>((out - 1) * stride + span - *size, 0);
      } else if (stride == 1) {
        total = span - 1;
      } else {
        return n.fail(InvalidShape,
                      "auto_pad " + autoPad +
                          " with a stride above 1 needs static spatial sizes");
      }
      low = autoPad == "SAME_UPPER" ? total / 2 : total - total / 2;
      high = total - low;
    }
    w.low.push_back(low);
    w.high.push_back(high);
    int64_t slack = low + high - span;
    AffineExpr s = L.b.getAffineSymbolExpr(0);
    OpFoldResult out;
    if (std::optional<int64_t> size = L.number(in)) {
      int64_t room = *size + slack;
      int64_t k =
          room < 0 ? 0
                   : (ceil ? (room + stride - 1) / stride : room / stride) + 1;
      // A window that would start in the high padding does not count.
      if (ceil && k > 0 && (k - 1) * stride >= *size + low)
        --k;
      if (k <= 0)
        return n.fail(InvalidShape, "window of " + Twine(span) +
                                        " is larger than the padded "
                                        "size " +
                                        Twine(*size + low + high));
      out = L.idx(k);
    } else if (ceil) {
      OpFoldResult up = L.apply((s + slack).ceilDiv(stride) + 1, {in});
      OpFoldResult starts = L.apply((s + low).ceilDiv(stride), {in});
      out = L.minSize(up, starts);
    } else {
      out = L.apply((s + slack).floorDiv(stride) + 1, {in});
    }
    w.outSizes.push_back(out);
  }
  return w;
}

TValue convolve(Lowering &L, TValue x, TValue w, TValue bias,
                const Window &window, int64_t groups, DType t) {
  DType acc = accumulatorType(t);
  Sizes sizes = {L.dim(x.value, 0), L.dim(w.value, 0)};
  sizes.append(window.outSizes.begin(), window.outSizes.end());
  Value init = L.empty(sizes, storageType(acc, L.ctx()));
  Ints pads(window.low);
  pads.append(window.high.begin(), window.high.end());
  Value b = bias ? L.castTo(bias, acc).value : Value();
  auto op = ConvOp::create(L.b, L.loc, x.value, w.value, b, init,
                           window.strides, window.dilations, pads, groups);
  Value r = op->getResult(0);
  L.setDims(r, sizes);
  return L.castTo({r, acc}, t);
}

namespace {

/// Ranks and channel counts; returns the number of spatial dims.
FailureOr<size_t> checkConv(Context &c, Node &n, TValue x, TValue w,
                            int64_t groups) {
  Lowering &L = c.L;
  int64_t rank = L.rank(x.value);
  if (rank < 3 || rank > 5 || L.rank(w.value) != rank)
    return n.fail(InvalidShape, "input has rank " + Twine(rank) +
                                    " and weight rank " +
                                    Twine(L.rank(w.value)) +
                                    ", supported are equal ranks of 3 to 5");
  if (groups <= 0)
    return n.fail(InvalidAttribute, "group is " + Twine(groups));
  return rank - 2;
}

FailureOr<Ints> kernelShape(Context &c, Node &n, TValue w) {
  Lowering &L = c.L;
  Ints kernel;
  for (int64_t i = 2; i < L.rank(w.value); ++i) {
    std::optional<int64_t> k = L.number(L.dim(w.value, i));
    if (!k)
      return n.fail(InvalidShape, "weight has a dynamic window");
    kernel.push_back(*k);
  }
  Ints given = n.ints("kernel_shape");
  if (!given.empty() && given != kernel)
    return n.fail(InvalidAttribute,
                  "kernel_shape differs from the weight's shape");
  return kernel;
}

LogicalResult convolution(Context &c, Node &n, TValue x, TValue w, TValue bias,
                          DType t) {
  Lowering &L = c.L;
  int64_t groups = n.i("group", 1);
  if (failed(checkConv(c, n, x, w, groups)))
    return failure();
  std::optional<int64_t> in = L.number(L.dim(x.value, 1)),
                         per = L.number(L.dim(w.value, 1)),
                         out = L.number(L.dim(w.value, 0));
  if ((in && per && *in != *per * groups) || (out && *out % groups))
    return n.fail(InvalidShape,
                  "channels do not fit: input " + Twine(in.value_or(-1)) +
                      ", weight " + Twine(out.value_or(-1)) + "x" +
                      Twine(per.value_or(-1)) + ", group " + Twine(groups));
  FailureOr<Ints> kernel = kernelShape(c, n, w);
  if (failed(kernel))
    return failure();
  FailureOr<Window> window = windowOf(c, n, x.value, *kernel, false);
  if (failed(window))
    return failure();
  return n.done(convolve(L, x, w, bias, *window, groups, t));
}

LogicalResult lowerConv(Context &c, Node &n) {
  TValue x = n.in(0), w = n.in(1);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  if (w.dtype != x.dtype)
    return n.failType(1, dtypeName(x.dtype));
  return convolution(c, n, x, w, n.in(2), x.dtype);
}

LogicalResult lowerConvInteger(Context &c, Node &n) {
  Lowering &L = c.L;
  auto centred = [&](TValue x, TValue zero, bool channels) {
    // A zero point a output channel stands along the weight's first dim.
    if (zero && channels && L.rank(zero.value) == 1 &&
        !L.isConst(L.dim(zero.value, 0), 1)) {
      Sizes sizes(L.rank(x.value), L.idx(1));
      sizes[0] = L.dim(zero.value, 0);
      zero = L.reshape(zero, sizes);
    }
    if (!zero)
      return L.castTo(x, DType::I32);
    return L.map({x, zero}, DType::I32, [&](Scalar &s, ValueRange a) {
      return s.sub(s.cast(a[0], x.dtype, DType::I32),
                   s.cast(a[1], zero.dtype, DType::I32));
    });
  };
  TValue x = centred(n.in(0), n.in(2), false),
         w = centred(n.in(1), n.in(3), true);
  if (!x || !w)
    return n.doneMap({});
  return convolution(c, n, x, w, {}, DType::I32);
}

LogicalResult lowerConvTranspose(Context &c, Node &n) {
  Lowering &L = c.L;
  TValue x = n.in(0), w = n.in(1), bias = n.in(2);
  if (!isFloat(x.dtype))
    return n.failType(0, "a floating-point type");
  int64_t groups = n.i("group", 1);
  FailureOr<size_t> count = checkConv(c, n, x, w, groups);
  if (failed(count))
    return failure();
  FailureOr<Ints> kernel = kernelShape(c, n, w);
  FailureOr<Ints> strides = spatial(n, "strides", *count, 1);
  FailureOr<Ints> dilations = spatial(n, "dilations", *count, 1);
  FailureOr<Ints> pads = spatial(n, "pads", 2 * *count, 0);
  FailureOr<Ints> extra = spatial(n, "output_padding", *count, 0);
  if (failed(kernel) || failed(strides) || failed(dilations) || failed(pads) ||
      failed(extra) || failed(checkPositive(n, *strides, "strides")) ||
      failed(checkPositive(n, *dilations, "dilations")))
    return failure();
  Ints outShape = n.ints("output_shape");
  StringRef autoPad = n.s("auto_pad", "NOTSET");
  bool same = autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER";
  Window window;
  window.strides = *strides;
  window.dilations = *dilations;
  for (size_t i = 0; i < *count; ++i) {
    int64_t span = ((*kernel)[i] - 1) * (*dilations)[i] + 1,
            stride = (*strides)[i];
    OpFoldResult in = L.dim(x.value, i + 2);
    AffineExpr s = L.b.getAffineSymbolExpr(0);
    int64_t low = autoPad == "NOTSET" ? (*pads)[i] : 0;
    int64_t high = autoPad == "NOTSET" ? (*pads)[i + *count] : 0;
    if (outShape.size() == *count || same) {
      // The padding follows from the wanted size: in * stride, or as given.
      int64_t total;
      OpFoldResult size = outShape.size() == *count ? L.idx(outShape[i])
                                                    : L.apply(s * stride, {in});
      std::optional<int64_t> k = L.number(in), o = L.number(size);
      if (k && o)
        total =
            std::max<int64_t>(0, stride * (*k - 1) + (*extra)[i] + span - *o);
      else if (same && outShape.empty())
        total = std::max<int64_t>(0, span - stride + (*extra)[i]);
      else
        return n.fail(InvalidShape, "output_shape needs static spatial sizes");
      low = autoPad == "SAME_UPPER" ? total / 2 : total - total / 2;
      high = total - low;
      window.outSizes.push_back(size);
    } else {
      int64_t rest = (*extra)[i] + span - low - high - stride;
      window.outSizes.push_back(L.apply(s * stride + rest, {in}));
    }
    window.low.push_back(low);
    window.high.push_back(high);
  }
  DType t = x.dtype, acc = accumulatorType(t);
  Sizes sizes = {L.dim(x.value, 0), L.mul(L.dim(w.value, 1), L.idx(groups))};
  sizes.append(window.outSizes.begin(), window.outSizes.end());
  Value init = L.empty(sizes, storageType(acc, L.ctx()));
  Ints all(window.low);
  all.append(window.high.begin(), window.high.end());
  auto op = ConvOp::create(
      L.b, L.loc, x.value, w.value, bias ? L.castTo(bias, acc).value : Value(),
      init, window.strides, window.dilations, all, groups, /*transposed=*/true);
  Value r = op->getResult(0);
  L.setDims(r, sizes);
  return n.doneMap(L.castTo({r, acc}, t));
}

} // namespace

void registerConv(Registry &r) {
  r.add("Conv", lowerConv);
  r.add("ConvInteger", lowerConvInteger);
  r.add("ConvTranspose", lowerConvTranspose);
}

} // namespace mercer::lowering
