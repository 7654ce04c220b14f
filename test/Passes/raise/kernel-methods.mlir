// RUN: mercer-opt %s --mercer-raise-onnx | FileCheck %s

// CHECK-LABEL: func.func @scan_of_distances
// CHECK-NEXT: onnx.node "CDist"(%arg0, %arg1) domain "mercer" opset 1 {metric = "sqeuclidean"}
func.func @scan_of_distances(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>) -> tensor<*xf32> {
  %s, %d = onnx.node "Scan"(%x, %y) opset 18 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%a: tensor<?x?xf32>, %b: tensor<?xf32>):
    %axes = arith.constant dense<1> : tensor<1xi64>
    %same = onnx.node "Identity"(%a) opset 18 : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %diff = onnx.node "Sub"(%a, %b) opset 18 : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<*xf32>
    %sum = onnx.node "ReduceSumSquare"(%diff, %axes) opset 18 {keepdims = 0 : i64} : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    onnx.yield %same, %sum : tensor<?x?xf32>, tensor<*xf32>
  }) : (tensor<?x3xf32>, tensor<9x3xf32>) -> (!onnx.any, !onnx.any)
  %t = onnx.node "Transpose"(%d) opset 18 {perm = array<i64: 1, 0>} : (!onnx.any) -> tensor<*xf32>
  return %t : tensor<*xf32>
}

// CHECK-LABEL: func.func @scan_with_a_changing_state
// CHECK: "Scan"
func.func @scan_with_a_changing_state(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>) -> !onnx.any {
  %s, %d = onnx.node "Scan"(%x, %y) opset 18 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%a: tensor<?x?xf32>, %b: tensor<?xf32>):
    %axes = arith.constant dense<1> : tensor<1xi64>
    %diff = onnx.node "Sub"(%a, %b) opset 18 : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<*xf32>
    %sum = onnx.node "ReduceSumSquare"(%diff, %axes) opset 18 {keepdims = 0 : i64} : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    onnx.yield %diff, %sum : tensor<*xf32>, tensor<*xf32>
  }) : (tensor<?x3xf32>, tensor<9x3xf32>) -> (!onnx.any, !onnx.any)
  return %d : !onnx.any
}

// The constant kernel of a Gaussian process is a product of zeros plus a number.
// CHECK-LABEL: func.func @gaussian_process
// CHECK: %[[SUM:.*]] = onnx.node "KernelMatvec"(%arg0, %arg1, %arg2) domain "mercer" opset 1 {coef0 = 0.000000e+00 : f32, degree = 0.000000e+00 : f32, gamma = 5.000000e-01 : f32, kernel = "RBF"}
// CHECK: onnx.node "Mul"(%[[SUM]], %{{.*}})
// CHECK-NEXT: return
func.func @gaussian_process(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>, %alpha: tensor<9xf32>) -> tensor<*xf32> {
  %half = arith.constant dense<0.5> : tensor<1xf32>
  %amplitude = arith.constant dense<2.0> : tensor<1xf32>
  %zero = arith.constant dense<0> : tensor<1xi64>
  %one = arith.constant dense<1> : tensor<1xi64>
  %column = arith.constant dense<[1, 9]> : tensor<2xi64>
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "sqeuclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%d, %half) opset 18 : (tensor<*xf32>, tensor<1xf32>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%m) opset 18 : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%n) opset 18 : (tensor<*xf32>) -> tensor<*xf32>
  %shape = onnx.node "Shape"(%x) opset 18 : (tensor<?x3xf32>) -> tensor<*xi64>
  %rows = onnx.node "Gather"(%shape, %zero) opset 18 : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
  %sizes = onnx.node "Concat"(%rows, %one) opset 18 {axis = 0 : i64} : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
  %z1 = onnx.node "ConstantOfShape"(%sizes) opset 18 {value = dense<0.0> : tensor<1xf32>} : (tensor<*xi64>) -> tensor<*xf32>
  %z2 = onnx.node "ConstantOfShape"(%column) opset 18 {value = dense<0.0> : tensor<1xf32>} : (tensor<2xi64>) -> tensor<*xf32>
  %zz = onnx.node "MatMul"(%z1, %z2) opset 18 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %c = onnx.node "Add"(%zz, %amplitude) opset 18 : (tensor<*xf32>, tensor<1xf32>) -> tensor<*xf32>
  %k = onnx.node "Mul"(%c, %e) opset 18 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "MatMul"(%k, %alpha) opset 18 : (tensor<*xf32>, tensor<9xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// CHECK-LABEL: func.func @kernel_matrix_is_an_output
// CHECK-NOT: "KernelMatvec"
func.func @kernel_matrix_is_an_output(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>, %alpha: tensor<9xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "sqeuclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%d) opset 18 : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%n) opset 18 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "MatMul"(%e, %alpha) opset 18 : (tensor<*xf32>, tensor<9xf32>) -> tensor<*xf32>
  return %r, %e : tensor<*xf32>, tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_regressor
// CHECK-DAG: %[[COEF:.*]] = arith.constant dense<{{\[\[}}5.000000e-01], [-5.000000e-01]]> : tensor<2x1xf32>
// CHECK-DAG: %[[SV:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00]]> : tensor<2x2xf32>
// CHECK-DAG: %[[SUM:.*]] = onnx.node "KernelMatvec"(%arg0, %[[SV]], %[[COEF]]) {{.*}} kernel = "RBF"
// CHECK: onnx.node "Add"(%[[SUM]], %{{.*}})
func.func @svm_regressor(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %y = onnx.node "SVMRegressor"(%x) domain "ai.onnx.ml" opset 1 {coefficients = array<f32: 0.5, -0.5>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", n_supports = 2 : i64, rho = array<f32: 0.125>, support_vectors = array<f32: 1.0, 2.0, 3.0, 4.0>} : (tensor<?x2xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_regressor_of_wrong_size
// CHECK: "SVMRegressor"
func.func @svm_regressor_of_wrong_size(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %y = onnx.node "SVMRegressor"(%x) domain "ai.onnx.ml" opset 1 {coefficients = array<f32: 0.5>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", n_supports = 2 : i64, rho = array<f32: 0.125>, support_vectors = array<f32: 1.0, 2.0, 3.0, 4.0>} : (tensor<?x2xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// Three classes, one vector each: pairs (0,1), (0,2), (1,2).
// CHECK-LABEL: func.func @svm_classifier
// CHECK-DAG: %[[C:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 4.000000e+00, 0.000000e+00], [2.000000e+00, 0.000000e+00, 5.000000e+00], [0.000000e+00, 3.000000e+00, 6.000000e+00]]> : tensor<3x3xf32>
// CHECK-DAG: onnx.node "KernelMatvec"(%arg0, %{{.*}}, %[[C]])
// CHECK: onnx.node "ArgMax"
// CHECK: onnx.node "Gather"
func.func @svm_classifier(%x: tensor<?x1xf32>) -> (tensor<?xi64>, tensor<*xf32>) {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 1 {classlabels_ints = array<i64: 7, 8, 9>, coefficients = array<f32: 1.0, 2.0, 3.0, 4.0, 5.0, 6.0>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", rho = array<f32: 0.1, 0.2, 0.3>, support_vectors = array<f32: 1.0, 2.0, 3.0>, vectors_per_class = array<i64: 1, 1, 1>} : (tensor<?x1xf32>) -> (tensor<?xi64>, tensor<*xf32>)
  return %l, %s : tensor<?xi64>, tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_of_two_classes
// CHECK-DAG: %[[SIGNS:.*]] = arith.constant dense<{{\[\[}}-1.000000e+00, 1.000000e+00]]> : tensor<1x2xf32>
// CHECK-DAG: %[[S:.*]] = onnx.node "MatMul"(%{{.*}}, %[[SIGNS]])
// CHECK: return %{{.*}}, %[[S]]
func.func @svm_of_two_classes(%x: tensor<?x1xf32>) -> (tensor<*xi64>, tensor<*xf32>) {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 1 {classlabels_ints = array<i64: 0, 1>, coefficients = array<f32: 1.0, -2.0>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", rho = array<f32: 0.1>, support_vectors = array<f32: 1.0, 2.0>, vectors_per_class = array<i64: 1, 1>} : (tensor<?x1xf32>) -> (tensor<*xi64>, tensor<*xf32>)
  return %l, %s : tensor<*xi64>, tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_of_two_classes_by_a_threshold
// CHECK: "SVMClassifier"
func.func @svm_of_two_classes_by_a_threshold(%x: tensor<?x1xf32>) -> (tensor<*xi64>, tensor<*xf32>) {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 1 {classlabels_ints = array<i64: 0, 1>, coefficients = array<f32: 1.0, 2.0>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", rho = array<f32: 0.1>, support_vectors = array<f32: 1.0, 2.0>, vectors_per_class = array<i64: 1, 1>} : (tensor<?x1xf32>) -> (tensor<*xi64>, tensor<*xf32>)
  return %l, %s : tensor<*xi64>, tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_with_probabilities
// CHECK: "SVMClassifier"
func.func @svm_with_probabilities(%x: tensor<?x1xf32>) -> (tensor<?xi64>, tensor<*xf32>) {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 1 {classlabels_ints = array<i64: 7, 8, 9>, coefficients = array<f32: 1.0, 2.0, 3.0, 4.0, 5.0, 6.0>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", prob_a = array<f32: 1.0, 1.0, 1.0>, prob_b = array<f32: 0.0, 0.0, 0.0>, rho = array<f32: 0.1, 0.2, 0.3>, support_vectors = array<f32: 1.0, 2.0, 3.0>, vectors_per_class = array<i64: 1, 1, 1>} : (tensor<?x1xf32>) -> (tensor<?xi64>, tensor<*xf32>)
  return %l, %s : tensor<?xi64>, tensor<*xf32>
}

// CHECK-LABEL: func.func @sums_of_columns
// CHECK-DAG: %[[M:.*]] = arith.constant dense<{{\[\[}}-1.000000e+00, -1.000000e+00], [1.000000e+00, -1.000000e+00]]> : tensor<2x2xf32>
// CHECK-DAG: %[[P:.*]] = onnx.node "MatMul"(%arg0, %[[M]])
// CHECK: %[[Y:.*]] = onnx.node "Add"(%[[P]], %{{.*}})
// CHECK-NEXT: return %[[Y]]
func.func @sums_of_columns(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %0 = arith.constant dense<0> : tensor<i64>
  %1 = arith.constant dense<1> : tensor<i64>
  %one = arith.constant dense<1.0> : tensor<f32>
  %n = onnx.node "Neg"(%x) opset 16 : (tensor<?x2xf32>) -> tensor<*xf32>
  %a = onnx.node "ArrayFeatureExtractor"(%n, %0) domain "ai.onnx.ml" opset 1 : (tensor<*xf32>, tensor<i64>) -> tensor<*xf32>
  %b = onnx.node "ArrayFeatureExtractor"(%n, %1) domain "ai.onnx.ml" opset 1 : (tensor<*xf32>, tensor<i64>) -> tensor<*xf32>
  %nb = onnx.node "Neg"(%b) opset 16 : (tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "Sum"(%a, %nb) opset 16 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %t0 = onnx.node "Sum"(%a, %b) opset 16 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %t = onnx.node "Add"(%t0, %one) opset 16 : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %y = onnx.node "Concat"(%s, %t) opset 16 {axis = 1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @columns_of_two_values
// CHECK: "Concat"
func.func @columns_of_two_values(%x: tensor<?x2xf32>, %z: tensor<?x2xf32>) -> tensor<*xf32> {
  %0 = arith.constant dense<0> : tensor<i64>
  %a = onnx.node "ArrayFeatureExtractor"(%x, %0) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %b = onnx.node "ArrayFeatureExtractor"(%z, %0) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %s = onnx.node "Sum"(%a, %b, %a, %b) opset 16 : (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Concat"(%s, %s) opset 16 {axis = 1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// The sum of the points instead of their difference.
// CHECK-LABEL: func.func @scan_of_sums
// CHECK: "Scan"
func.func @scan_of_sums(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>) -> !onnx.any {
  %s, %d = onnx.node "Scan"(%x, %y) opset 18 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%a: tensor<?x?xf32>, %b: tensor<?xf32>):
    %axes = arith.constant dense<1> : tensor<1xi64>
    %diff = onnx.node "Add"(%a, %b) opset 18 : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<*xf32>
    %sum = onnx.node "ReduceSumSquare"(%diff, %axes) opset 18 {keepdims = 0 : i64} : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    onnx.yield %a, %sum : tensor<?x?xf32>, tensor<*xf32>
  }) : (tensor<?x3xf32>, tensor<9x3xf32>) -> (!onnx.any, !onnx.any)
  return %d : !onnx.any
}

// Summed over the points instead of the coordinates.
// CHECK-LABEL: func.func @scan_of_coordinates
// CHECK: "Scan"
func.func @scan_of_coordinates(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>) -> !onnx.any {
  %s, %d = onnx.node "Scan"(%x, %y) opset 18 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%a: tensor<?x?xf32>, %b: tensor<?xf32>):
    %axes = arith.constant dense<0> : tensor<1xi64>
    %diff = onnx.node "Sub"(%a, %b) opset 18 : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<*xf32>
    %sum = onnx.node "ReduceSumSquare"(%diff, %axes) opset 18 {keepdims = 0 : i64} : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    onnx.yield %a, %sum : tensor<?x?xf32>, tensor<*xf32>
  }) : (tensor<?x3xf32>, tensor<9x3xf32>) -> (!onnx.any, !onnx.any)
  return %d : !onnx.any
}

// CHECK-LABEL: func.func @scan_of_absolute_differences
// CHECK: "Scan"
func.func @scan_of_absolute_differences(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>) -> !onnx.any {
  %s, %d = onnx.node "Scan"(%x, %y) opset 18 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%a: tensor<?x?xf32>, %b: tensor<?xf32>):
    %axes = arith.constant dense<1> : tensor<1xi64>
    %diff = onnx.node "Sub"(%a, %b) opset 18 : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<*xf32>
    %sum = onnx.node "ReduceL1"(%diff, %axes) opset 18 {keepdims = 0 : i64} : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    onnx.yield %a, %sum : tensor<?x?xf32>, tensor<*xf32>
  }) : (tensor<?x3xf32>, tensor<9x3xf32>) -> (!onnx.any, !onnx.any)
  return %d : !onnx.any
}

// The axis is kept: each step gives a column, not a row.
// CHECK-LABEL: func.func @scan_of_columns
// CHECK: "Scan"
func.func @scan_of_columns(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>) -> !onnx.any {
  %s, %d = onnx.node "Scan"(%x, %y) opset 18 {num_scan_inputs = 1 : i64} graphs("body" {
  ^bb0(%a: tensor<?x?xf32>, %b: tensor<?xf32>):
    %axes = arith.constant dense<1> : tensor<1xi64>
    %diff = onnx.node "Sub"(%a, %b) opset 18 : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<*xf32>
    %sum = onnx.node "ReduceSumSquare"(%diff, %axes) opset 18 : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    onnx.yield %a, %sum : tensor<?x?xf32>, tensor<*xf32>
  }) : (tensor<?x3xf32>, tensor<9x3xf32>) -> (!onnx.any, !onnx.any)
  return %d : !onnx.any
}

// The points come in reverse.
// CHECK-LABEL: func.func @scan_backwards
// CHECK: "Scan"
func.func @scan_backwards(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>) -> !onnx.any {
  %s, %d = onnx.node "Scan"(%x, %y) opset 18 {num_scan_inputs = 1 : i64, scan_input_directions = array<i64: 1>} graphs("body" {
  ^bb0(%a: tensor<?x?xf32>, %b: tensor<?xf32>):
    %axes = arith.constant dense<1> : tensor<1xi64>
    %diff = onnx.node "Sub"(%a, %b) opset 18 : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<*xf32>
    %sum = onnx.node "ReduceSumSquare"(%diff, %axes) opset 18 {keepdims = 0 : i64} : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    onnx.yield %a, %sum : tensor<?x?xf32>, tensor<*xf32>
  }) : (tensor<?x3xf32>, tensor<9x3xf32>) -> (!onnx.any, !onnx.any)
  return %d : !onnx.any
}

// CHECK-LABEL: func.func @distances_not_swapped
// CHECK: "CDist"(%arg0, %arg1)
// CHECK: "Transpose"
func.func @distances_not_swapped(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>) -> tensor<*xf32> {
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "sqeuclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %y0 = onnx.node "Transpose"(%d) opset 13 {perm = array<i64: 0, 1>} : (tensor<*xf32>) -> tensor<*xf32>
  return %y0 : tensor<*xf32>
}

// exp(+d²): no Gaussian.
// CHECK-LABEL: func.func @kernel_that_grows
// CHECK-NOT: "KernelMatvec"
// CHECK: return
func.func @kernel_that_grows(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>, %alpha: tensor<9xf32>) -> tensor<*xf32> {
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "sqeuclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "MatMul"(%e, %alpha) opset 13 : (tensor<*xf32>, tensor<9xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// exp(-d) is another kernel.
// CHECK-LABEL: func.func @kernel_of_plain_distances
// CHECK-NOT: "KernelMatvec"
// CHECK: return
func.func @kernel_of_plain_distances(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>, %alpha: tensor<9xf32>) -> tensor<*xf32> {
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "euclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%n) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "MatMul"(%e, %alpha) opset 13 : (tensor<*xf32>, tensor<9xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// CHECK-LABEL: func.func @kernel_of_offset_distances
// CHECK-NOT: "KernelMatvec"
// CHECK: return
func.func @kernel_of_offset_distances(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>, %alpha: tensor<9xf32>) -> tensor<*xf32> {
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "sqeuclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %o = onnx.node "Add"(%n, %one) opset 13 : (tensor<*xf32>, tensor<1xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%o) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "MatMul"(%e, %alpha) opset 13 : (tensor<*xf32>, tensor<9xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// A sum over the rows of x.
// CHECK-LABEL: func.func @kernel_on_the_right
// CHECK-NOT: "KernelMatvec"
// CHECK: return
func.func @kernel_on_the_right(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>, %alpha: tensor<1x?xf32>) -> tensor<*xf32> {
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "sqeuclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%n) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "MatMul"(%alpha, %e) opset 13 : (tensor<1x?xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// A batch of coefficient matrices.
// CHECK-LABEL: func.func @kernel_with_many_coefficients
// CHECK-NOT: "KernelMatvec"
// CHECK: return
func.func @kernel_with_many_coefficients(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>, %alpha: tensor<2x9x4xf32>) -> tensor<*xf32> {
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "sqeuclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%n) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "MatMul"(%e, %alpha) opset 13 : (tensor<*xf32>, tensor<2x9x4xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// CHECK-LABEL: func.func @distances_are_an_output
// CHECK-NOT: "KernelMatvec"
// CHECK: return
func.func @distances_are_an_output(%x: tensor<?x3xf32>, %y: tensor<9x3xf32>, %alpha: tensor<9xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %d = onnx.node "CDist"(%x, %y) domain "mercer" opset 1 {metric = "sqeuclidean"} : (tensor<?x3xf32>, tensor<9x3xf32>) -> tensor<*xf32>
  %n = onnx.node "Neg"(%d) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %e = onnx.node "Exp"(%n) opset 13 : (tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "MatMul"(%e, %alpha) opset 13 : (tensor<*xf32>, tensor<9xf32>) -> tensor<*xf32>
  return %r, %d : tensor<*xf32>, tensor<*xf32>
}

// Zeros are added, but for nine columns.
// CHECK-LABEL: func.func @uniform_that_enlarges
// CHECK: onnx.node "Add"(%arg0, %{{.*}})
func.func @uniform_that_enlarges(%x: tensor<?x1xf32>) -> tensor<*xf32> {
  %sizes = arith.constant dense<[1, 9]> : tensor<2xi64>
  %z = onnx.node "ConstantOfShape"(%sizes) opset 13 {value = dense<0.0> : tensor<1xf32>} : (tensor<2xi64>) -> tensor<*xf32>
  %y = onnx.node "Add"(%x, %z) opset 13 : (tensor<?x1xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @uniform_of_unknown_size
// CHECK: onnx.node "ConstantOfShape"
func.func @uniform_of_unknown_size(%x: tensor<*xf32>, %sizes: tensor<2xi64>) -> tensor<*xf32> {
  %z = onnx.node "ConstantOfShape"(%sizes) opset 13 {value = dense<0.0> : tensor<1xf32>} : (tensor<2xi64>) -> tensor<*xf32>
  %y = onnx.node "Add"(%x, %z) opset 13 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_regressor_with_a_post_transform
// CHECK: "SVMRegressor"
func.func @svm_regressor_with_a_post_transform(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %y = onnx.node "SVMRegressor"(%x) domain "ai.onnx.ml" opset 1 {coefficients = array<f32: 0.5, -0.5>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", n_supports = 2 : i64, post_transform = "LOGISTIC", rho = array<f32: 0.125>, support_vectors = array<f32: 1.0, 2.0, 3.0, 4.0>} : (tensor<?x2xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_regressor_of_another_kernel
// CHECK: "SVMRegressor"
func.func @svm_regressor_of_another_kernel(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %y = onnx.node "SVMRegressor"(%x) domain "ai.onnx.ml" opset 1 {coefficients = array<f32: 0.5, -0.5>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "LAPLACE", n_supports = 2 : i64, rho = array<f32: 0.125>, support_vectors = array<f32: 1.0, 2.0, 3.0, 4.0>} : (tensor<?x2xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_regressor_without_gamma
// CHECK: "SVMRegressor"
func.func @svm_regressor_without_gamma(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %y = onnx.node "SVMRegressor"(%x) domain "ai.onnx.ml" opset 1 {coefficients = array<f32: 0.5, -0.5>, kernel_type = "RBF", n_supports = 2 : i64, rho = array<f32: 0.125>, support_vectors = array<f32: 1.0, 2.0, 3.0, 4.0>} : (tensor<?x2xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_regressor_without_rho
// CHECK: "SVMRegressor"
func.func @svm_regressor_without_rho(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %y = onnx.node "SVMRegressor"(%x) domain "ai.onnx.ml" opset 1 {coefficients = array<f32: 0.5, -0.5>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", n_supports = 2 : i64, support_vectors = array<f32: 1.0, 2.0, 3.0, 4.0>} : (tensor<?x2xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_classifier_with_a_post_transform
// CHECK: "SVMClassifier"
func.func @svm_classifier_with_a_post_transform(%x: tensor<?x1xf32>) -> (!onnx.any, tensor<*xf32>) {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 1 {classlabels_ints = array<i64: 7, 8, 9>, coefficients = array<f32: 1.0, 2.0, 3.0, 4.0, 5.0, 6.0>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", post_transform = "SOFTMAX", rho = array<f32: 0.1, 0.2, 0.3>, support_vectors = array<f32: 1.0, 2.0, 3.0>, vectors_per_class = array<i64: 1, 1, 1>} : (tensor<?x1xf32>) -> (!onnx.any, tensor<*xf32>)
  return %l, %s : !onnx.any, tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_classifier_of_strings
// CHECK: "SVMClassifier"
func.func @svm_classifier_of_strings(%x: tensor<?x1xf32>) -> (!onnx.any, tensor<*xf32>) {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 1 {classlabels_strings = ["a", "b", "c"], coefficients = array<f32: 1.0, 2.0, 3.0, 4.0, 5.0, 6.0>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", rho = array<f32: 0.1, 0.2, 0.3>, support_vectors = array<f32: 1.0, 2.0, 3.0>, vectors_per_class = array<i64: 1, 1, 1>} : (tensor<?x1xf32>) -> (!onnx.any, tensor<*xf32>)
  return %l, %s : !onnx.any, tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_classifier_of_wrong_size
// CHECK: "SVMClassifier"
func.func @svm_classifier_of_wrong_size(%x: tensor<?x1xf32>) -> (!onnx.any, tensor<*xf32>) {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 1 {classlabels_ints = array<i64: 7, 8, 9>, coefficients = array<f32: 1.0, 2.0>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", rho = array<f32: 0.1, 0.2, 0.3>, support_vectors = array<f32: 1.0, 2.0, 3.0>, vectors_per_class = array<i64: 1, 1, 1>} : (tensor<?x1xf32>) -> (!onnx.any, tensor<*xf32>)
  return %l, %s : !onnx.any, tensor<*xf32>
}

// CHECK-LABEL: func.func @svm_classifier_of_one_class
// CHECK: "SVMClassifier"
func.func @svm_classifier_of_one_class(%x: tensor<?x1xf32>) -> (!onnx.any, tensor<*xf32>) {
  %l, %s = onnx.node "SVMClassifier"(%x) domain "ai.onnx.ml" opset 1 {classlabels_ints = array<i64: 7>, coefficients = array<f32: 1.0, 2.0, 3.0, 4.0, 5.0, 6.0>, kernel_params = array<f32: 0.25, 0.0, 3.0>, kernel_type = "RBF", rho = array<f32: 0.1, 0.2, 0.3>, support_vectors = array<f32: 1.0, 2.0, 3.0>, vectors_per_class = array<i64: 3>} : (tensor<?x1xf32>) -> (!onnx.any, tensor<*xf32>)
  return %l, %s : !onnx.any, tensor<*xf32>
}

// CHECK-LABEL: func.func @columns_one_below_the_other
// CHECK: "Concat"
func.func @columns_one_below_the_other(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %0 = arith.constant dense<0> : tensor<i64>
  %1 = arith.constant dense<1> : tensor<i64>
  %a = onnx.node "ArrayFeatureExtractor"(%x, %0) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %b = onnx.node "ArrayFeatureExtractor"(%x, %1) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %s = onnx.node "Sum"(%a, %b, %a, %b) opset 16 : (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Concat"(%s, %s) opset 16 {axis = 0 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// A product of two columns is not linear in them.
// CHECK-LABEL: func.func @product_of_columns
// CHECK: "Concat"
func.func @product_of_columns(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %0 = arith.constant dense<0> : tensor<i64>
  %1 = arith.constant dense<1> : tensor<i64>
  %a = onnx.node "ArrayFeatureExtractor"(%x, %0) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %b = onnx.node "ArrayFeatureExtractor"(%x, %1) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %m = onnx.node "Mul"(%a, %b) opset 16 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "Sum"(%a, %b, %a, %b) opset 16 : (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Concat"(%s, %m) opset 16 {axis = 1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// CHECK-LABEL: func.func @maximum_of_columns
// CHECK: "Concat"
func.func @maximum_of_columns(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %0 = arith.constant dense<0> : tensor<i64>
  %1 = arith.constant dense<1> : tensor<i64>
  %a = onnx.node "ArrayFeatureExtractor"(%x, %0) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %b = onnx.node "ArrayFeatureExtractor"(%x, %1) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %m = onnx.node "Max"(%a, %b) opset 16 : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %s = onnx.node "Sum"(%a, %b, %a, %b) opset 16 : (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %y = onnx.node "Concat"(%s, %m) opset 16 {axis = 1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// A product is no gain for two columns.
// CHECK-LABEL: func.func @few_columns
// CHECK: "Concat"
func.func @few_columns(%x: tensor<?x2xf32>) -> tensor<*xf32> {
  %0 = arith.constant dense<0> : tensor<i64>
  %1 = arith.constant dense<1> : tensor<i64>
  %a = onnx.node "ArrayFeatureExtractor"(%x, %0) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %b = onnx.node "ArrayFeatureExtractor"(%x, %1) domain "ai.onnx.ml" opset 1 : (tensor<?x2xf32>, tensor<i64>) -> tensor<*xf32>
  %y = onnx.node "Concat"(%b, %a) opset 16 {axis = 1 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}
