// LSTM, GRU and RNN over a static number of steps, one after another. Input
// products of all steps are one contraction; a step adds the recurrent product.
#include "passes/onnx/Node.h"
#include "passes/onnx/Parts.h"

namespace mercer::lowering {

namespace {

constexpr int64_t kMaxSteps = 128;

/// Activation of one gate with its parameters.
struct Activation {
  StringRef name;
  double alpha, beta;
};

Value activate(Scalar &s, DType t, const Activation &f, Value x) {
  auto num = [&](double v) { return s.number(t, v); };
  auto sigmoid = [&](Value v) {
    return s.div(t, num(1), s.add(num(1), s.un<math::ExpOp>(s.neg(v))));
  };
  if (f.name == "Sigmoid")
    return sigmoid(x);
  if (f.name == "Tanh")
    return s.un<math::TanhOp>(x);
  if (f.name == "Relu")
    return s.max(t, x, num(0));
  if (f.name == "HardSigmoid")
    return s.min(t,
                 s.max(t, s.add(s.mul(x, num(f.alpha)), num(f.beta)), num(0)),
                 num(1));
  if (f.name == "Affine")
    return s.add(s.mul(x, num(f.alpha)), num(f.beta));
  if (f.name == "ScaledTanh")
    return s.mul(num(f.alpha), s.un<math::TanhOp>(s.mul(num(f.beta), x)));
  if (f.name == "LeakyRelu")
    return s.select(s.cmp(t, Scalar::LT, x, num(0)), s.mul(x, num(f.alpha)), x);
  if (f.name == "Softsign")
    return s.div(t, x, s.add(num(1), s.un<math::AbsFOp>(x)));
  return x;
}

FailureOr<SmallVector<Activation>>
activationsOf(Node &n, ArrayRef<StringRef> defaults, int64_t directions) {
  SmallVector<StringRef> names = n.op.stringsAttr("activations");
  SmallVector<float> alpha = n.op.floatsAttr("activation_alpha"),
                     beta = n.op.floatsAttr("activation_beta");
  size_t count = defaults.size() * directions;
  if (names.empty())
    for (int64_t d = 0; d < directions; ++d)
      names.append(defaults.begin(), defaults.end());
  if (names.size() != count)
    return n.fail(InvalidAttribute, "activations has " + Twine(names.size()) +
                                        " names, expected " + Twine(count));
  static const char *known[] = {"Sigmoid",     "Tanh",    "Relu",
                                "HardSigmoid", "Affine",  "ScaledTanh",
                                "LeakyRelu",   "Softsign"};
  SmallVector<Activation> out;
  for (auto [i, name] : llvm::enumerate(names)) {
    if (!llvm::is_contained(known, name))
      return n.fail(UnsupportedOperator, "activation '" + name + "'");
    double a = name == "HardSigmoid" ? 0.2 : name == "LeakyRelu" ? 0.01 : 1;
    double b = name == "HardSigmoid" ? 0.5 : 0;
    out.push_back(
        {name, i < alpha.size() ? alpha[i] : a, i < beta.size() ? beta[i] : b});
  }
  return out;
}

struct Cell {
  unsigned gates;
  bool hasState; // a second state: LSTM's cell
};

class Recurrence {
public:
  Recurrence(Context &c, Node &n, Cell cell) : L(c.L), n(n), cell(cell) {}

  LogicalResult
  run(ArrayRef<StringRef> defaults,
      llvm::function_ref<std::pair<TValue, TValue>(Recurrence &, TValue, TValue,
                                                   TValue)>
          step) {
    TValue x = n.in(0);
    t = x.dtype;
    if (!isFloat(t))
      return n.failType(0, "a floating-point type");
    if (L.rank(x.value) != 3 || L.rank(n.in(1).value) != 3 ||
        L.rank(n.in(2).value) != 3)
      return n.fail(InvalidShape, "X, W and R must have rank 3");
    StringRef direction = n.s("direction", "forward");
    int64_t directions = direction == "bidirectional" ? 2 : 1;
    batchFirst = n.i("layout", 0);
    if (batchFirst)
      x = L.transpose(x, {1, 0, 2});
    std::optional<int64_t> steps = L.number(L.dim(x.value, 0)),
                           size = L.number(L.dim(n.in(2).value, 2));
    if (!steps || !size || *steps > kMaxSteps || *steps == 0)
      return n.fail(UnsupportedOperator,
                    "the number of steps must be static and at most " +
                        Twine(kMaxSteps));
    hidden = *size;
    batch = L.dim(x.value, 1);
    FailureOr<SmallVector<Activation>> f =
        activationsOf(n, defaults, directions);
    if (failed(f))
      return failure();
    clip = n.f("clip", 0);
    SmallVector<TValue> all, lastH, lastC;
    SmallVector<SmallVector<TValue>> perStep(*steps);
    for (int64_t d = 0; d < directions; ++d) {
      bool backward = direction == "reverse" || d == 1;
      activations.assign(f->begin() + d * defaults.size(),
                         f->begin() + (d + 1) * defaults.size());
      w = part(n.in(1), d, {L.idx(cell.gates * hidden), L.dim(x.value, 2)});
      r = part(n.in(2), d, {L.idx(cell.gates * hidden), L.idx(hidden)});
      if (n.has(3)) {
        TValue b = part(n.in(3), d, {L.idx(2 * cell.gates * hidden)});
        wb = L.slice(b, {L.idx(0)}, {L.idx(cell.gates * hidden)}, {1});
        rb = L.slice(b, {L.idx(cell.gates * hidden)},
                     {L.idx(cell.gates * hidden)}, {1});
      }
      if (cell.hasState && n.has(7))
        peephole = part(n.in(7), d, {L.idx(3 * hidden)});
      TValue h = initial(5, d), s = cell.hasState ? initial(6, d) : TValue();
      TValue gatesX = matmul(L, x, L.transpose(w, {1, 0}), t);
      if (!gatesX)
        return n.fail(InvalidShape, "W does not fit the input");
      if (wb)
        gatesX = add(gatesX, wb);
      for (int64_t k = 0; k < *steps; ++k) {
        int64_t at = backward ? *steps - 1 - k : k;
        TValue now =
            L.slice(gatesX, {L.idx(at), L.idx(0), L.idx(0)},
                    {L.idx(1), batch, L.idx(cell.gates * hidden)}, {1, 1, 1});
        now = L.reshape(now, {batch, L.idx(cell.gates * hidden)});
        auto [nextH, nextS] = step(*this, now, h, s);
        if (!nextH)
          return n.fail(InvalidShape, "R does not fit the hidden size");
        TValue shown = nextH;
        if (n.has(4)) { // beyond its length a sequence keeps its state, and
                        // shows 0
          nextH = whileInside(at, nextH, h);
          if (nextS)
            nextS = whileInside(at, nextS, s);
          shown = whileInside(at, nextH, {});
        }
        h = nextH;
        s = nextS;
        perStep[at].push_back(
            L.reshape(shown, {L.idx(1), L.idx(1), batch, L.idx(hidden)}));
      }
      lastH.push_back(L.reshape(h, {L.idx(1), batch, L.idx(hidden)}));
      if (s)
        lastC.push_back(L.reshape(s, {L.idx(1), batch, L.idx(hidden)}));
    }
    for (SmallVector<TValue> &p : perStep)
      all.push_back(L.concat(p, 1));
    TValue y = L.concat(all, 0), yh = L.concat(lastH, 0);
    if (batchFirst) {
      y = L.transpose(y, {2, 0, 1, 3});
      yh = L.transpose(yh, {1, 0, 2});
    }
    SmallVector<TValue> out = {y, yh};
    if (cell.hasState) {
      TValue yc = L.concat(lastC, 0);
      out.push_back(batchFirst ? L.transpose(yc, {1, 0, 2}) : yc);
    }
    return n.done(out);
  }

  TValue add(TValue a, TValue b) {
    return L.map({a, b}, t,
                 [](Scalar &s, ValueRange v) { return s.add(v[0], v[1]); });
  }
  /// Columns of gate `k` of [batch, gates * hidden].
  TValue gate(TValue all, unsigned k, unsigned count = 1) {
    return L.slice(all, {L.idx(0), L.idx(k * hidden)},
                   {batch, L.idx(count * hidden)}, {1, 1});
  }
  TValue rows(TValue v, unsigned k, unsigned count = 1) {
    Sizes size = L.dims(v.value), offset(size.size(), L.idx(0));
    offset[0] = L.idx(k * hidden);
    size[0] = L.idx(count * hidden);
    return L.slice(v, offset, size, Ints(size.size(), 1));
  }
  /// h R^T for gates [k, k + count).
  TValue recurrent(TValue h, unsigned k, unsigned count) {
    TValue p = matmul(L, h, L.transpose(rows(r, k, count), {1, 0}), t);
    return p && rb ? add(p, rows(rb, k, count)) : p;
  }
  Value act(Scalar &s, unsigned k, Value x) {
    if (clip > 0)
      x = s.min(t, s.max(t, x, s.number(t, -clip)), s.number(t, clip));
    return activate(s, t, activations[k], x);
  }

  Lowering &L;
  Node &n;
  Cell cell;
  DType t = DType::F32;
  int64_t hidden = 0;
  OpFoldResult batch;
  TValue w, r, wb, rb, peephole;
  SmallVector<Activation> activations;
  double clip = 0;
  bool batchFirst = false;

private:
  TValue part(TValue v, int64_t d, ArrayRef<OpFoldResult> sizes) {
    Sizes size = L.dims(v.value), offset(size.size(), L.idx(0));
    offset[0] = L.idx(d);
    size[0] = L.idx(1);
    return L.reshape(L.slice(v, offset, size, Ints(size.size(), 1)), sizes);
  }
  TValue initial(unsigned input, int64_t d) {
    Sizes sizes = {batch, L.idx(hidden)};
    if (!n.has(input))
      return L.splat(t, sizes, 0);
    TValue v = n.in(input);
    if (batchFirst)
      v = L.transpose(v, {1, 0, 2});
    return part(v, d, sizes);
  }
  TValue whileInside(int64_t at, TValue now, TValue before) {
    TValue lengths = n.in(4);
    SmallVector<TValue> ins = {now};
    if (before)
      ins.push_back(before);
    return L.map(ins, t, [&](Scalar &s, ValueRange v) {
      Value row = linalg::IndexOp::create(s.b, s.loc, 0);
      Value length = L.extract(s, lengths.value, {row});
      Value inside =
          s.cmp(lengths.dtype, Scalar::GT, length, s.number(lengths.dtype, at));
      return s.select(inside, v[0], before ? v[1] : s.number(t, 0));
    });
  }
};

LogicalResult lowerRnn(Context &c, Node &n) {
  return Recurrence(c, n, {1, false})
      .run({"Tanh"}, [](Recurrence &q, TValue x, TValue h, TValue) {
        TValue p = q.recurrent(h, 0, 1);
        if (!p)
          return std::pair<TValue, TValue>();
        TValue r = q.L.map({x, p}, q.t, [&](Scalar &s, ValueRange v) {
          return q.act(s, 0, s.add(v[0], v[1]));
        });
        return std::pair<TValue, TValue>(r, {});
      });
}

LogicalResult lowerGru(Context &c, Node &n) {
  bool after = n.i("linear_before_reset", 0);
  return Recurrence(c, n, {3, false})
      .run({"Sigmoid", "Tanh"}, [&](Recurrence &q, TValue x, TValue h, TValue) {
        // Gates in the order z, r, h.
        TValue zr = q.recurrent(h, 0, 2);
        if (!zr)
          return std::pair<TValue, TValue>();
        auto sigmoid = [&](unsigned k) {
          TValue p = q.gate(zr, k);
          return q.L.map({q.gate(x, k), p}, q.t, [&](Scalar &s, ValueRange v) {
            return q.act(s, 0, s.add(v[0], v[1]));
          });
        };
        TValue z = sigmoid(0), r = sigmoid(1), candidate;
        auto product = [&](TValue a, TValue b) {
          return q.L.map({a, b}, q.t, [](Scalar &s, ValueRange v) {
            return s.mul(v[0], v[1]);
          });
        };
        candidate = after ? product(r, q.recurrent(h, 2, 1))
                          : q.recurrent(product(r, h), 2, 1);
        TValue next = q.L.map({q.gate(x, 2), candidate, z, h}, q.t,
                              [&](Scalar &s, ValueRange v) {
                                Value g = q.act(s, 1, s.add(v[0], v[1]));
                                Value keep = s.sub(s.number(q.t, 1), v[2]);
                                return s.add(s.mul(keep, g), s.mul(v[2], v[3]));
                              });
        return std::pair<TValue, TValue>(next, {});
      });
}

LogicalResult lowerLstm(Context &c, Node &n) {
  if (n.i("input_forget", 0))
    return n.fail(UnsupportedOperator,
                  "attribute input_forget = 1; supported is 0");
  return Recurrence(c, n, {4, true})
      .run({"Sigmoid", "Tanh", "Tanh"}, [](Recurrence &q, TValue x, TValue h,
                                           TValue cell) {
        // Gates in the order i, o, f, c; peepholes in the order i, o, f.
        TValue p = q.recurrent(h, 0, 4);
        if (!p)
          return std::pair<TValue, TValue>();
        auto gate = [&](unsigned k, unsigned f, TValue peepAt) {
          SmallVector<TValue> ins = {q.gate(x, k), q.gate(p, k)};
          if (peepAt)
            ins.append({peepAt, q.rows(q.peephole, k)});
          return q.L.map(ins, q.t, [&](Scalar &s, ValueRange v) {
            Value sum = s.add(v[0], v[1]);
            if (v.size() > 2)
              sum = s.add(sum, s.mul(v[2], v[3]));
            return q.act(s, f, sum);
          });
        };
        TValue peep = q.peephole ? cell : TValue();
        TValue i = gate(0, 0, peep), f = gate(2, 0, peep), g = gate(3, 1, {});
        TValue next =
            q.L.map({f, cell, i, g}, q.t, [](Scalar &s, ValueRange v) {
              return s.add(s.mul(v[0], v[1]), s.mul(v[2], v[3]));
            });
        TValue o = gate(1, 0, q.peephole ? next : TValue());
        TValue out = q.L.map({o, next}, q.t, [&](Scalar &s, ValueRange v) {
          return s.mul(v[0], activate(s, q.t, q.activations[2], v[1]));
        });
        return std::pair<TValue, TValue>(out, next);
      });
}

} // namespace

void registerRecurrent(Registry &r) {
  r.add("RNN", lowerRnn, 7);
  r.add("GRU", lowerGru, 7);
  r.add("LSTM", lowerLstm, 7);
}

} // namespace mercer::lowering
