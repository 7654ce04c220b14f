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

#rf = affine_map<(i, j, f, d) -> (i, f)>
#cf = affine_map<(i, j, f, d) -> (j, f)>
#cd = affine_map<(i, j, f, d) -> (j, d)>
#rd = affine_map<(i, j, f, d) -> (i, d)>
#r = affine_map<(i, j, f, d) -> (i)>

// CHECK-LABEL: func @softmax_over_no_keys(
// CHECK-SAME:    %[[A:[a-z0-9]+]]: tensor<?x3xf32>, %[[B:[a-z0-9]+]]: tensor<?xf32>)
// CHECK-DAG:   %[[NAN:.*]] = arith.constant 0x7FC00000 : f32
// CHECK-DAG:   %[[LOW:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG:   linalg.fill ins(%[[NAN]] : f32) outs(%[[A]] : tensor<?x3xf32>)
// CHECK-DAG:   linalg.fill ins(%[[LOW]] : f32) outs(%[[B]] : tensor<?xf32>)
// CHECK-NOT:   mercer.pairwise
func.func @softmax_over_no_keys(%x: tensor<?x4xf32>, %y: tensor<0x4xf32>, %v: tensor<0x3xf32>, %a: tensor<?x3xf32>, %b: tensor<?xf32>) -> (tensor<?x3xf32>, tensor<?xf32>) {
  %r:2 = mercer.pairwise [row, col, feature, value] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<softmax, 1, 2>]
      maps [#rf, #cf, #cd, #rd, #r] ins(%x, %y : tensor<?x4xf32>, tensor<0x4xf32>) values(%v : tensor<0x3xf32>)
      outs(%a, %b : tensor<?x3xf32>, tensor<?xf32>) -> tensor<?x3xf32>, tensor<?xf32>
  return %r#0, %r#1 : tensor<?x3xf32>, tensor<?xf32>
}

// CHECK-LABEL: func @states_over_no_keys_stay(
// CHECK-SAME:    %[[A:[a-z0-9]+]]: tensor<?x3xf32>)
// CHECK:       return %[[A]]
func.func @states_over_no_keys_stay(%x: tensor<?x4xf32>, %y: tensor<0x4xf32>, %v: tensor<0x3xf32>, %a: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %r = mercer.pairwise [row, col, feature, value] partial inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<sum, 1, 1>]
      maps [#rf, #cf, #cd, #rd] ins(%x, %y : tensor<?x4xf32>, tensor<0x4xf32>) values(%v : tensor<0x3xf32>)
      outs(%a : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// CHECK-LABEL: func @no_features_are_one_of_zero(
// CHECK:       mercer.pairwise
// CHECK-SAME:    ins(%{{.*}}, %{{.*}} : tensor<?x1xf32>, tensor<7x1xf32>)
func.func @no_features_are_one_of_zero(%x: tensor<?x0xf32>, %y: tensor<7x0xf32>, %v: tensor<7x3xf32>, %a: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %r = mercer.pairwise [row, col, feature, value] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<sum, 1, 1>]
      maps [#rf, #cf, #cd, #rd] ins(%x, %y : tensor<?x0xf32>, tensor<7x0xf32>) values(%v : tensor<7x3xf32>)
      outs(%a : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// CHECK-LABEL: func @no_keys_at_run_time_stay(
// CHECK:       mercer.pairwise
func.func @no_keys_at_run_time_stay(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>, %v: tensor<?x3xf32>, %a: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %r = mercer.pairwise [row, col, feature, value] inner [#mercer.inner<dot, 2, f32>] reduce [#mercer.reduction<sum, 1, 1>]
      maps [#rf, #cf, #cd, #rd] ins(%x, %y : tensor<?x4xf32>, tensor<?x4xf32>) values(%v : tensor<?x3xf32>)
      outs(%a : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// CHECK-LABEL: func @named_operation_without_results(
// CHECK-NOT:   mercer.conv
func.func @named_operation_without_results(%x: tensor<0x6x9x8xf32>, %w: tensor<6x5x4x3xf32>, %y: tensor<0x5x28x24xf32>) -> tensor<0x5x28x24xf32> {
  %r = mercer.conv ins(%x, %w : tensor<0x6x9x8xf32>, tensor<6x5x4x3xf32>) outs(%y : tensor<0x5x28x24xf32>) {strides = array<i64: 3, 3>, transposed} -> tensor<0x5x28x24xf32>
  return %r : tensor<0x5x28x24xf32>
}
