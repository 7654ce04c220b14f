// RUN: mercer-opt %s --mercer-drop-empty-loops | FileCheck %s

// CHECK-LABEL: func @sum_over_nothing_is_the_initial_value(
// CHECK-SAME:    %{{.*}}, %{{.*}}, %[[INIT:.*]]: tensor<5x7xf32>)
// CHECK-NOT:   linalg.matmul
// CHECK:       return %[[INIT]]
func.func @sum_over_nothing_is_the_initial_value(%a: tensor<5x0xf32>, %b: tensor<0x7xf32>, %init: tensor<5x7xf32>) -> tensor<5x7xf32> {
  %r = linalg.matmul ins(%a, %b : tensor<5x0xf32>, tensor<0x7xf32>) outs(%init : tensor<5x7xf32>) -> tensor<5x7xf32>
  return %r : tensor<5x7xf32>
}

// CHECK-LABEL: func @result_without_elements(
// CHECK:       %[[EMPTY:.*]] = tensor.empty() : tensor<0x3xf32>
// CHECK-NEXT:  return %[[EMPTY]]
func.func @result_without_elements(%x: tensor<0x3xf32>) -> tensor<0x3xf32> {
  %e = tensor.empty() : tensor<0x3xf32>
  %r = linalg.exp ins(%x : tensor<0x3xf32>) outs(%e : tensor<0x3xf32>) -> tensor<0x3xf32>
  return %r : tensor<0x3xf32>
}

// CHECK-LABEL: func @structural_operation(
// CHECK-NOT:   mercer.contract
func.func @structural_operation(%a: tensor<5x0xf32>, %b: tensor<0x7xf32>, %init: tensor<5x7xf32>) -> tensor<5x7xf32> {
  %r = mercer.contract [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%a, %b : tensor<5x0xf32>, tensor<0x7xf32>) outs(%init : tensor<5x7xf32>) -> tensor<5x7xf32>
  return %r : tensor<5x7xf32>
}

// CHECK-LABEL: func @unknown_extent_stays(
// CHECK:       linalg.exp
func.func @unknown_extent_stays(%x: tensor<?x3xf32>, %e: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %r = linalg.exp ins(%x : tensor<?x3xf32>) outs(%e : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}
