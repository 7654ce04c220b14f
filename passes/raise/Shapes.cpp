//===- Shapes.cpp - shapes that follow from the graph alone ---------------===//

#include "passes/raise/Shapes.h"
#include "passes/raise/Match.h"

using namespace mlir;
using namespace mercer;
using namespace mercer::raise;
using mercer::onnx::producer;

namespace {

// Chains of shape-preserving nodes are long in real models; this bound keeps a
// query cheap and ends it in a cycle-free but deep graph.
constexpr unsigned kMaxDepth = 24;

Dim number(int64_t value) { return Dim{value, nullptr, 0}; }

Shape ofType(Value value, RankedTensorType type) {
  Shape shape;
  for (int64_t i = 0; i < type.getRank(); ++i)
    shape.push_back(type.isDynamicDim(i) ? Dim{std::nullopt, value, i}
                                         : number(type.getDimSize(i)));
  return shape;
}

bool keepsShape(NodeOp node) {
  static constexpr StringLiteral names[] = {"Abs",
                                            "Cast",
                                            "Ceil",
                                            "Clip",
                                            "Cos",
                                            "Dropout",
                                            "Elu",
                                            "Erf",
                                            "Exp",
                                            "Floor",
                                            "Gelu",
                                            "HardSigmoid",
                                            "HardSwish",
                                            "Identity",
                                            "IsNaN",
                                            "LayerNormalization",
                                            "LeakyRelu",
                                            "Log",
                                            "Neg",
                                            "Not",
                                            "RMSNormalization",
                                            "Reciprocal",
                                            "Relu",
                                            "Round",
                                            "Sigmoid",
                                            "Sin",
                                            "Softmax",
                                            "Softplus",
                                            "Sqrt",
                                            "Swish",
                                            "Tanh",
                                            "CumSum",
                                            "GroupNormalization",
                                            "BatchNormalization",
                                            "InstanceNormalization"};
  return node.getDomain().empty() &&
         llvm::is_contained(names, node.getOpType());
}

bool broadcasts(NodeOp node) {
  static constexpr StringLiteral names[] = {"Add",
                                            "Sub",
                                            "Mul",
                                            "Div",
                                            "Pow",
                                            "Where",
                                            "Equal",
                                            "Less",
                                            "Greater",
                                            "LessOrEqual",
                                            "GreaterOrEqual",
                                            "And",
                                            "Or",
                                            "Max",
                                            "Min",
                                            "Sum",
                                            "Mod"};
  return node.getDomain().empty() &&
         llvm::is_contained(names, node.getOpType());
}

// An unknown size against 1 stays unknown: it may be 1 or not, but it is the
// result. Two different known sizes, neither 1, need not be equal at run time.
Dim broadcast(const Dim &a, const Dim &b) {
  if (a.is(1))
    return b;
  if (b.is(1) || a == b)
    return a;
  if (a.constant && !b.constant)
    return a;
  if (b.constant && !a.constant)
    return b;
  return Dim();
}

Shape broadcast(Shape a, Shape b) {
  if (a.size() < b.size())
    std::swap(a, b);
  size_t offset = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i)
    a[offset + i] = broadcast(a[offset + i], b[i]);
  return a;
}

} // namespace

std::optional<int64_t> ShapeAnalysis::rank(Value value) {
  std::optional<Shape> found = shape(value);
  return found ? std::optional<int64_t>(found->size()) : std::nullopt;
}

bool ShapeAnalysis::isScalar(Value value) {
  std::optional<Shape> found = shape(value);
  return found &&
         llvm::all_of(*found, [](const Dim &dim) { return dim.is(1); });
}

bool ShapeAnalysis::broadcastsTo(Value small, Value large) {
  std::optional<Shape> from = shape(small), to = shape(large);
  if (!from || !to || from->size() > to->size())
    return false;
  size_t offset = to->size() - from->size();
  for (size_t i = 0; i < from->size(); ++i)
    if (!(*from)[i].is(1) && !((*from)[i] == (*to)[offset + i]))
      return false;
  return true;
}

std::optional<Shape> ShapeAnalysis::shapeOf(Value value, unsigned depth) {
  if (!value || depth > kMaxDepth)
    return std::nullopt;
  NodeOp node = producer(value);
  // A stated type fixes the rank; the node may tell more of the sizes.
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (type && (type.hasStaticShape() || !node))
    return ofType(value, type);
  std::optional<Shape> derived;
  if (node && value == node.output(0)) {
    auto operand = [&](unsigned index) {
      return shapeOf(node.input(index), depth + 1);
    };
    if (keepsShape(node)) {
      derived = operand(0);
    } else if (broadcasts(node) ||
               node.is("RotaryEmbedding", NodeOp::kMercerDomain)) {
      derived = operand(0);
      for (unsigned i = 1; derived && i < node.getInputs().size(); ++i) {
        std::optional<Shape> next = operand(i);
        derived = next ? std::optional<Shape>(broadcast(*derived, *next))
                       : std::nullopt;
      }
    } else if (node.getDomain().empty() &&
               node.getOpType().starts_with("Reduce")) {
      // Axes that are kept become 1; without axes nothing is known but that.
      std::optional<SmallVector<int64_t>> axes = axesOf(node);
      if (axes && node.intAttr("keepdims", 1))
        derived = operand(0);
      if (derived)
        for (int64_t axis : *axes) {
          axis = axis < 0 ? axis + static_cast<int64_t>(derived->size()) : axis;
          if (axis >= 0 && axis < static_cast<int64_t>(derived->size()))
            (*derived)[axis] = number(1);
        }
    } else if (node.is("Transpose")) {
      std::optional<Shape> from = operand(0);
      SmallVector<int64_t> perm = node.intsAttr("perm");
      if (from && perm.empty())
        for (int64_t i = from->size(); i-- > 0;)
          perm.push_back(i);
      size_t rank = perm.size();
      if (rank && llvm::all_of(perm, [&](int64_t p) {
            return p >= 0 && p < static_cast<int64_t>(rank);
          })) {
        derived.emplace(rank);
        if (from && from->size() == rank)
          for (size_t i = 0; i < rank; ++i)
            (*derived)[i] = (*from)[perm[i]];
      }
    } else if (node.is("MatMul")) {
      std::optional<Shape> a = operand(0), b = operand(1);
      if (a && b && a->size() >= 2 && b->size() >= 2) {
        Dim rows = (*a)[a->size() - 2], columns = b->back();
        Shape batch = broadcast(Shape(ArrayRef(*a).drop_back(2)),
                                Shape(ArrayRef(*b).drop_back(2)));
        batch.push_back(rows);
        batch.push_back(columns);
        derived = batch;
      }
    } else if (node.is("Gemm")) {
      std::optional<Shape> a = operand(0), b = operand(1);
      if (a && b && a->size() == 2 && b->size() == 2)
        derived = Shape{(*a)[node.intAttr("transA") ? 1 : 0],
                        (*b)[node.intAttr("transB") ? 0 : 1]};
    } else if (node.is("Conv")) {
      std::optional<Shape> x = operand(0), weights = operand(1);
      if (weights && weights->size() > 2) {
        derived = Shape(weights->size());
        (*derived)[1] = weights->front();
        if (x && x->size() == weights->size())
          derived->front() = x->front();
      }
    } else if (node.is("CDist", NodeOp::kMercerDomain)) {
      std::optional<Shape> a = operand(0), b = operand(1);
      if (a && b && a->size() == 2 && b->size() == 2)
        derived = Shape{(*a)[0], (*b)[0]};
    } else if (node.is("KernelMatvec", NodeOp::kMercerDomain)) {
      std::optional<Shape> x = operand(0), coefficients = operand(2);
      if (x && coefficients && x->size() == 2) {
        derived = Shape{(*x)[0]};
        if (coefficients->size() == 2)
          derived->push_back((*coefficients)[1]);
      }
    } else if (node.is("ConstantOfShape")) {
      derived = elementsOf(node.input(0), depth + 1);
    } else if (node.is("Shape")) {
      if (std::optional<Shape> of = elementsOf(value, depth + 1))
        derived = Shape{number(of->size())};
    } else if (node.is("Reshape")) {
      std::optional<Shape> to = elementsOf(node.input(1), depth + 1);
      if (to) {
        std::optional<Shape> from = operand(0);
        bool keepZero = node.intAttr("allowzero");
        for (auto [i, dim] : llvm::enumerate(*to)) {
          if (dim.is(-1))
            dim = Dim();
          else if (dim.is(0) && !keepZero)
            dim = from && i < from->size() ? (*from)[i] : Dim();
        }
        derived = to;
      }
    } else if (node.is("Unsqueeze")) {
      std::optional<Shape> from = operand(0);
      std::optional<SmallVector<int64_t>> axes = axesOf(node);
      if (from && axes) {
        int64_t rank = from->size() + axes->size();
        for (int64_t &axis : *axes)
          axis = axis < 0 ? axis + rank : axis;
        llvm::sort(*axes);
        for (int64_t axis : *axes)
          if (axis >= 0 && axis <= static_cast<int64_t>(from->size()))
            from->insert(from->begin() + axis, number(1));
        if (static_cast<int64_t>(from->size()) == rank)
          derived = from;
      }
    } else if (node.is("Squeeze")) {
      std::optional<Shape> from = operand(0);
      std::optional<SmallVector<int64_t>> axes = axesOf(node);
      if (from && axes) {
        Shape kept;
        for (auto [i, dim] : llvm::enumerate(*from)) {
          int64_t axis = i;
          if (!llvm::is_contained(*axes, axis) &&
              !llvm::is_contained(*axes,
                                  axis - static_cast<int64_t>(from->size())))
            kept.push_back(dim);
        }
        derived = kept;
      }
    } else if (node.is("Gather")) {
      std::optional<Shape> data = operand(0), indices = operand(1);
      if (data && indices) {
        int64_t axis = node.intAttr("axis"), rank = data->size();
        axis = axis < 0 ? axis + rank : axis;
        if (axis >= 0 && axis < rank) {
          Shape gathered(data->begin(), data->begin() + axis);
          llvm::append_range(gathered, *indices);
          gathered.append(data->begin() + axis + 1, data->end());
          derived = gathered;
        }
      }
    } else if (node.is("Split") || node.is("Slice") || node.is("Concat")) {
      // The rank, and the sizes of the other axes when the axis is known.
      derived = operand(0);
      if (derived) {
        std::optional<SmallVector<int64_t>> axes;
        if (!node.is("Slice"))
          axes = SmallVector<int64_t>{node.intAttr("axis")};
        else if (node.hasInput(3))
          axes = node.constantInts(3);
        int64_t rank = derived->size();
        if (!axes) {
          derived = Shape(rank);
        } else {
          for (int64_t axis : *axes) {
            axis = axis < 0 ? axis + rank : axis;
            if (axis >= 0 && axis < rank)
              (*derived)[axis] = Dim();
          }
        }
      }
    }
  } else if (node && node.is("Split")) {
    if (std::optional<Shape> from = shapeOf(node.input(0), depth + 1)) {
      int64_t axis = node.intAttr("axis"), rank = from->size();
      axis = axis < 0 ? axis + rank : axis;
      if (axis >= 0 && axis < rank)
        (*from)[axis] = Dim();
      derived = from;
    }
  }

  if (!type)
    return derived;
  Shape stated = ofType(value, type);
  if (derived && derived->size() == stated.size())
    for (auto [dim, better] : llvm::zip_equal(stated, *derived))
      if (!dim.constant && better.known())
        dim = better;
  return stated;
}

std::optional<Shape> ShapeAnalysis::elementsOf(Value value, unsigned depth) {
  if (!value || depth > kMaxDepth)
    return std::nullopt;
  if (std::optional<SmallVector<int64_t>> constants =
          onnx::constantInts(value)) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || type.getRank() > 1)
      return std::nullopt;
    Shape list;
    for (int64_t element : *constants)
      list.push_back(number(element));
    return list;
  }
  NodeOp node = producer(value);
  if (!node || !node.getDomain().empty())
    return std::nullopt;
  auto operand = [&](unsigned index) {
    return elementsOf(node.input(index), depth + 1);
  };
  if (node.is("Shape")) {
    std::optional<Shape> of = shapeOf(node.input(0), depth + 1);
    if (!of)
      return std::nullopt;
    int64_t rank = of->size();
    auto clamp = [&](int64_t at) {
      return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
    };
    int64_t start = clamp(node.intAttr("start", 0));
    int64_t end = clamp(node.intAttr("end", rank));
    return start < end ? Shape(of->begin() + start, of->begin() + end)
                       : Shape();
  }
  if (node.is("Identity") || node.is("Cast") || node.is("Squeeze") ||
      node.is("Unsqueeze"))
    return operand(0);
  if (node.is("Reshape")) {
    // Only between a scalar and a vector of one element.
    std::optional<Shape> list = operand(0);
    return list && list->size() == 1 ? list : std::nullopt;
  }
  if (node.is("Gather")) {
    std::optional<Shape> list = operand(0);
    std::optional<SmallVector<int64_t>> indices = node.constantInts(1);
    if (!list || !indices)
      return std::nullopt;
    Shape picked;
    for (int64_t index : *indices) {
      index = index < 0 ? index + static_cast<int64_t>(list->size()) : index;
      if (index < 0 || index >= static_cast<int64_t>(list->size()))
        return std::nullopt;
      picked.push_back((*list)[index]);
    }
    return picked;
  }
  if (node.is("Slice")) {
    std::optional<Shape> list = operand(0);
    auto bound = [&](unsigned index, StringRef name) -> std::optional<int64_t> {
      std::optional<SmallVector<int64_t>> values =
          node.hasAttribute(name) ? node.intsAttr(name)
                                  : node.constantInts(index);
      return values && values->size() == 1 ? std::optional((*values)[0])
                                           : std::nullopt;
    };
    std::optional<int64_t> start = bound(1, "starts"), end = bound(2, "ends");
    if (!list || !start || !end)
      return std::nullopt;
    if (node.hasInput(4)) {
      std::optional<int64_t> step = bound(4, "steps");
      if (!step || *step != 1)
        return std::nullopt;
    }
    int64_t size = list->size();
    auto clamp = [&](int64_t at) {
      return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
    };
    int64_t from = clamp(*start), to = clamp(*end);
    return from < to ? Shape(list->begin() + from, list->begin() + to)
                     : Shape();
  }
  if (node.is("Concat")) {
    Shape all;
    for (unsigned i = 0; i < node.getInputs().size(); ++i) {
      std::optional<Shape> part = operand(i);
      if (!part)
        return std::nullopt;
      llvm::append_range(all, *part);
    }
    return all;
  }
  if (node.is("Add") || node.is("Sub") || node.is("Mul") || node.is("Div")) {
    std::optional<Shape> a = operand(0), b = operand(1);
    if (!a || !b ||
        (a->size() != b->size() && a->size() != 1 && b->size() != 1))
      return std::nullopt;
    Shape result(std::max(a->size(), b->size()));
    for (auto [i, dim] : llvm::enumerate(result)) {
      const Dim &x = (*a)[a->size() == 1 ? 0 : i];
      const Dim &y = (*b)[b->size() == 1 ? 0 : i];
      if (!x.constant || !y.constant)
        continue;
      int64_t value;
      bool overflow = false;
      if (node.is("Add"))
        overflow = llvm::AddOverflow(*x.constant, *y.constant, value);
      else if (node.is("Sub"))
        overflow = llvm::SubOverflow(*x.constant, *y.constant, value);
      else if (node.is("Mul"))
        overflow = llvm::MulOverflow(*x.constant, *y.constant, value);
      else if (*y.constant > 0)
        value = *x.constant / *y.constant;
      else
        overflow = true;
      if (!overflow)
        dim = number(value);
    }
    return result;
  }
  if (node.is("ConstantOfShape")) {
    std::optional<Shape> sizes = operand(0);
    std::optional<double> fill = uniformValue(value);
    if (!sizes || sizes->size() != 1 || !(*sizes)[0].constant || !fill ||
        *(*sizes)[0].constant > 64)
      return std::nullopt;
    return Shape(*(*sizes)[0].constant, number(static_cast<int64_t>(*fill)));
  }
  if (node.is("Where")) {
    // torch writes the shape of Expand as Where(shape == -1, 1, shape): a size
    // that is not -1 stays.
    NodeOp equal = producer(node.input(0), "Equal");
    std::optional<Shape> otherwise = operand(2), then = operand(1);
    if (!equal || !otherwise || equal.input(0) != node.input(2) ||
        uniformValue(equal.input(1)) != -1.0)
      return std::nullopt;
    Shape result = *otherwise;
    for (auto [i, dim] : llvm::enumerate(result))
      if (dim.is(-1))
        dim = then && i < then->size() ? (*then)[i] : Dim();
    return result;
  }
  return std::nullopt;
}

std::optional<double> raise::uniformValue(Value value, unsigned depth) {
  if (!value || depth > kMaxDepth)
    return std::nullopt;
  if (std::optional<double> scalar = onnx::constantScalar(value))
    return scalar;
  NodeOp node = producer(value);
  if (!node || !node.getDomain().empty())
    return std::nullopt;
  auto operand = [&](unsigned index) {
    return uniformValue(node.input(index), depth + 1);
  };
  if (node.is("ConstantOfShape")) {
    ElementsAttr fill = node.tensorAttr("value");
    if (!fill)
      return 0.0;
    if (fill.getNumElements() != 1)
      return std::nullopt;
    if (isa<FloatType>(fill.getElementType()))
      return (*fill.value_begin<APFloat>()).convertToDouble();
    if (isa<IntegerType>(fill.getElementType()))
      return static_cast<double>((*fill.value_begin<APInt>()).getSExtValue());
    return std::nullopt;
  }
  if (node.is("Transpose") || node.is("Reshape") || node.is("Expand") ||
      node.is("Identity"))
    return operand(0);
  if (node.is("MatMul")) {
    // A product with a zero matrix is zero whatever the other is, unless that
    // has an infinity; constants and tensors of ConstantOfShape do not.
    std::optional<double> a = operand(0), b = operand(1);
    return a && b && (*a == 0 || *b == 0) ? std::optional(0.0) : std::nullopt;
  }
  std::optional<double> a, b;
  if (node.is("Add") || node.is("Mul") || node.is("Sub")) {
    a = operand(0);
    b = operand(1);
    if (!a || !b)
      return std::nullopt;
    return node.is("Add") ? *a + *b : node.is("Mul") ? *a * *b : *a - *b;
  }
  return std::nullopt;
}
