//===- Importer.h - builds the import stage from a decoded model -*- C++
//-*-===//
//
// Walks the graph in its order, which the specification requires to be
// topological, with a scope of names per graph. Local functions are inlined.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_COMPILER_FRONTEND_ONNX_IMPORTER_H
#define MERCER_COMPILER_FRONTEND_ONNX_IMPORTER_H

#include "compiler/frontend/onnx/Import.h"
#include "compiler/frontend/onnx/TensorStore.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"

namespace mercer::onnx {

/// "" and "ai.onnx" name the same domain.
inline llvm::StringRef normalDomain(llvm::StringRef domain) {
  return domain == "ai.onnx" ? "" : domain;
}

/// Key of a local function; the separator occurs in no name worth calling.
inline std::string functionKey(llvm::StringRef domain, llvm::StringRef name,
                               llvm::StringRef overload) {
  return (normalDomain(domain) + "\n" + name + "\n" + overload).str();
}

class Importer {
public:
  Importer(const Model &model, TensorStore &store, llvm::StringRef file,
           const ImportOptions &options, mlir::MLIRContext *context);

  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> run();

private:
  /// What a name stands for: a value, or a constant that has no value yet.
  struct Binding {
    mlir::Value value;
    const Tensor *tensor = nullptr;
    const SparseTensor *sparse = nullptr;
  };
  struct Scope {
    Scope *parent = nullptr;
    llvm::DenseMap<llvm::StringRef, Binding> names;
    llvm::DenseMap<llvm::StringRef, const TypeInfo *> types;
    /// Names that nodes of this graph define, to tell use before definition
    /// from no definition.
    llvm::DenseMap<llvm::StringRef, const Node *> definitions;
  };
  /// The function whose body is being inlined.
  struct Frame {
    const Function *function = nullptr;
    const Frame *caller = nullptr;
    llvm::DenseMap<llvm::StringRef, const NodeAttribute *> attributes;
    unsigned depth = 0;
  };

  // Main graph.
  llvm::LogicalResult checkVersions();
  llvm::LogicalResult indexFunctions();
  llvm::LogicalResult importInputs(const Graph &graph, Scope &scope);
  llvm::LogicalResult fixShapes(llvm::ArrayRef<const ValueInfo *> inputs);
  llvm::LogicalResult importOutputs(const Graph &graph, Scope &scope);
  mlir::NamedAttrList describe(llvm::StringRef name, mlir::Type type,
                               const TypeInfo *info);
  TypeInfo fixType(llvm::StringRef name, const TypeInfo &type);

  // Graphs and nodes.
  llvm::LogicalResult declare(const Graph &graph, Scope &scope);
  llvm::LogicalResult importNodes(llvm::ArrayRef<Node> nodes, Scope &scope,
                                  const Frame *frame);
  llvm::LogicalResult importNode(const Node &node, size_t index, Scope &scope,
                                 const Frame *frame);
  llvm::LogicalResult importSubgraph(const Graph &graph, mlir::Region &region,
                                     Scope &parent, const Frame *frame,
                                     mlir::Location loc,
                                     const llvm::Twine &where);
  llvm::LogicalResult
  inlineCall(const Node &node, const Function &callee,
             llvm::ArrayRef<mlir::Value> inputs,
             llvm::ArrayRef<const NodeAttribute *> attributes, Scope &scope,
             const Frame *frame, mlir::Location loc, const llvm::Twine &where);
  llvm::FailureOr<mlir::Value>
  importConstantNode(llvm::ArrayRef<const NodeAttribute *> attributes,
                     mlir::Location loc, const llvm::Twine &where);
  llvm::FailureOr<mlir::Attribute>
  convertAttribute(const NodeAttribute &attribute, mlir::Location loc,
                   const llvm::Twine &where);

  // Names and constants.
  llvm::FailureOr<mlir::Value> lookup(llvm::StringRef name, Scope &scope,
                                      mlir::Location loc,
                                      const llvm::Twine &where);
  llvm::LogicalResult define(llvm::StringRef name, mlir::Value value,
                             Scope &scope, mlir::Location loc,
                             const llvm::Twine &where);
  llvm::FailureOr<mlir::Value>
  constant(const Tensor &tensor, mlir::Location loc, const llvm::Twine &where);
  mlir::Value constant(mlir::ElementsAttr value, mlir::Location loc);
  mlir::Value absent();
  mlir::Type hint(llvm::StringRef name, Scope &scope, mlir::Type fallback);

  std::optional<int64_t> opsetOf(llvm::StringRef domain,
                                 const Frame *frame) const;
  mlir::Location fileLocation(unsigned line = 0) const;
  llvm::LogicalResult refuse(mlir::Location loc, int code,
                             const llvm::Twine &message);
  llvm::LogicalResult refuse(mlir::Location loc, const llvm::Twine &where,
                             const Refusal &refusal);

  const Model &model;
  TensorStore &store;
  llvm::StringRef file;
  const ImportOptions &options;
  mlir::MLIRContext *context;
  mlir::OpBuilder builder;
  mlir::func::FuncOp function;
  /// Constants stand at the start of the function, before everything.
  mlir::Operation *lastConstant = nullptr;
  mlir::Value none;
  llvm::StringMap<int64_t> fixedSymbols;
  llvm::StringMap<std::vector<int64_t>> fixedInputs;
  llvm::StringMap<const Function *> functions;
  uint64_t importedNodes = 0;
  unsigned graphDepth = 0;
};

} // namespace mercer::onnx

#endif // MERCER_COMPILER_FRONTEND_ONNX_IMPORTER_H
