// RUN: mercer-opt %s | mercer-opt | FileCheck %s
// RUN: mercer-opt %s --mlir-print-op-generic | mercer-opt | FileCheck %s

// CHECK-LABEL: func.func @conv
// CHECK: %[[NONE:.*]] = onnx.none
// CHECK: onnx.node "Conv"(%{{.*}}, %{{.*}}, %[[NONE]]) opset 17 {group = 2 : i64, strides = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32>, !onnx.none) -> tensor<*xf32>
func.func @conv(%x: tensor<1x4x8x8xf32>, %w: tensor<6x2x3x3xf32>) -> tensor<*xf32> {
  %none = onnx.none
  %y = onnx.node "Conv"(%x, %w, %none) opset 17 {group = 2 : i64, strides = array<i64: 2, 2>}
      : (tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32>, !onnx.none) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @branches
// CHECK: onnx.node "If"(%{{.*}}) opset 17 graphs("then_branch" {
// CHECK:   onnx.yield %{{.*}} : tensor<?xf32>
// CHECK: }, "else_branch" {
// CHECK: }) : (tensor<i1>) -> tensor<*xf32>
func.func @branches(%c: tensor<i1>, %x: tensor<?xf32>) -> tensor<*xf32> {
  %y = onnx.node "If"(%c) opset 17 graphs("then_branch" {
    onnx.yield %x : tensor<?xf32>
  }, "else_branch" {
    %n = onnx.node "Neg"(%x) opset 17 : (tensor<?xf32>) -> tensor<*xf32>
    onnx.yield %n : tensor<*xf32>
  }) : (tensor<i1>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @domains_and_types
// CHECK: onnx.node "SVMClassifier"(%{{.*}}) domain "ai.onnx.ml" opset 3 attributes {mercer.note = "kept"} : (tensor<?x4xf32>) -> (tensor<*x!onnx.string>, !onnx.any)
// CHECK: onnx.node "ZipMap"
// CHECK-SAME: -> !onnx.seq<!onnx.map<!onnx.string, tensor<f32>>>
func.func @domains_and_types(%x: tensor<?x4xf32>) -> !onnx.optional<tensor<ui8>> {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 3 attributes {mercer.note = "kept"}
      : (tensor<?x4xf32>) -> (tensor<*x!onnx.string>, !onnx.any)
  %m = onnx.node "ZipMap"(%s) domain "ai.onnx.ml" opset 1
      : (!onnx.any) -> !onnx.seq<!onnx.map<!onnx.string, tensor<f32>>>
  %o = onnx.node "Optional"() opset 18 : () -> !onnx.optional<tensor<ui8>>
  return %o : !onnx.optional<tensor<ui8>>
}
