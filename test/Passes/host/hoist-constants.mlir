// RUN: mercer-opt %s -split-input-file -mercer-hoist-constants | FileCheck %s

// Arithmetic on weights moves, its result is one value; what reads an input
// stays.

// CHECK-LABEL: func.func @main
// CHECK: %[[P:.*]] = mercer.precomputed 0 : tensor<1024xf32>
// CHECK-NOT: math.sqrt
// CHECK: linalg.add ins(%arg0, %[[P]]
// CHECK: module @mercer_constants
// CHECK: func.func @main() -> tensor<1024xf32>
// CHECK: mercer.weight "w.bin"[0, 4096]
// CHECK: linalg.sqrt
// CHECK: return
func.func @main(%x: tensor<1024xf32>) -> tensor<1024xf32> {
  %w = mercer.weight "w.bin"[0, 4096] : tensor<1024xf32>
  %e = tensor.empty() : tensor<1024xf32>
  %s = linalg.sqrt ins(%w : tensor<1024xf32>) outs(%e : tensor<1024xf32>) -> tensor<1024xf32>
  %y = linalg.add ins(%x, %s : tensor<1024xf32>, tensor<1024xf32>) outs(%e : tensor<1024xf32>) -> tensor<1024xf32>
  return %y : tensor<1024xf32>
}

// -----

// A broadcast is much larger than what it reads and stays where it is used; a
// fill alone is a destination.

// CHECK-LABEL: func.func @stays
// CHECK: linalg.fill
// CHECK: linalg.broadcast
// CHECK-NOT: mercer_constants
func.func @stays(%x: tensor<1024x1024xf32>) -> (tensor<1024x1024xf32>, tensor<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %f = tensor.empty() : tensor<4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%f : tensor<4xf32>) -> tensor<4xf32>
  %w = mercer.weight "w.bin"[0, 4096] : tensor<1024xf32>
  %e = tensor.empty() : tensor<1024x1024xf32>
  %b = linalg.broadcast ins(%w : tensor<1024xf32>) outs(%e : tensor<1024x1024xf32>) dimensions = [0]
  %y = linalg.add ins(%x, %b : tensor<1024x1024xf32>, tensor<1024x1024xf32>) outs(%e : tensor<1024x1024xf32>) -> tensor<1024x1024xf32>
  return %y, %z : tensor<1024x1024xf32>, tensor<4xf32>
}

// -----

// Run again, it adds to the same program and drops what became an inner value.

// CHECK-LABEL: func.func @again
// CHECK: mercer.precomputed 0 : tensor<2x512xf32>
// CHECK: module @mercer_constants
// CHECK: func.func @main() -> tensor<2x512xf32>
// CHECK: linalg.sqrt
// CHECK: linalg.exp
func.func @again() -> tensor<2x512xf32> {
  %p = mercer.precomputed 0 : tensor<2x512xf32>
  %e = tensor.empty() : tensor<2x512xf32>
  %y = linalg.exp ins(%p : tensor<2x512xf32>) outs(%e : tensor<2x512xf32>) -> tensor<2x512xf32>
  return %y : tensor<2x512xf32>
}
module @mercer_constants {
  func.func @main() -> tensor<2x512xf32> {
    %w = mercer.weight "w.bin"[0, 4096] : tensor<2x512xf32>
    %e = tensor.empty() : tensor<2x512xf32>
    %s = linalg.sqrt ins(%w : tensor<2x512xf32>) outs(%e : tensor<2x512xf32>) -> tensor<2x512xf32>
    return %s : tensor<2x512xf32>
  }
}
