// RUN: mercer-opt %s | mercer-opt | FileCheck %s
// RUN: mercer-opt %s --mlir-print-op-generic | mercer-opt | FileCheck %s
// Operations of the host program; the examples of their documentation.

func.func private @gemm_bias(memref<?x768xf32>, memref<16x768x48xf32>, index, memref<?x768xf32>)
func.func private @relu(tensor<?xf32>, tensor<?xf32>)

// CHECK-LABEL: func @buffers
func.func @buffers(%bytes: index, %n: index) -> memref<?x768xf32> {
  // CHECK: mercer.arena %{{.*}} : memref<?xi8>
  %arena = mercer.arena %bytes : memref<?xi8>
  // CHECK: mercer.output 0(%{{.*}}) : memref<?x768xf32>
  %o = mercer.output 0(%n) : memref<?x768xf32>
  // CHECK: mercer.output 1() : memref<4xi64>
  %s = mercer.output 1() : memref<4xi64>
  // CHECK: mercer.state 0 : memref<1x8x1024x64xf32>
  %cache = mercer.state 0 : memref<1x8x1024x64xf32>
  // CHECK: mercer.state 1 axis 2 capacity 1024 : memref<1x8x?x64xf32>, index
  %keys, %rows = mercer.state 1 axis 2 capacity 1024 : memref<1x8x?x64xf32>, index
  // CHECK: mercer.set_state_length 1, %{{.*}}
  mercer.set_state_length 1, %rows
  // CHECK: mercer.read %{{.*}} : memref<4xi64>
  %r = mercer.read %s : memref<4xi64>
  return %o : memref<?x768xf32>
}

// CHECK-LABEL: func @constants
func.func @constants() -> tensor<16x768x48xf32> {
  // CHECK: mercer.constant 0 : memref<64x3x7x7xf32>
  %w = mercer.constant 0 : memref<64x3x7x7xf32>
  // CHECK: mercer.precomputed 3 : tensor<16x768x48xf32>
  %b = mercer.precomputed 3 : tensor<16x768x48xf32>
  return %b : tensor<16x768x48xf32>
}

// CHECK-LABEL: func @launch_with_nodes
func.func @launch_with_nodes(%a: memref<?x768xf32>, %w: memref<16x768x48xf32>, %n: index, %c: memref<?x768xf32>) {
  // CHECK: mercer.launch @gemm_bias(%{{.*}}, %{{.*}}, %{{.*}}) outs(%{{.*}}) {nodes = ["/fc/Gemm"]} : (memref<?x768xf32>, memref<16x768x48xf32>, index) outs(memref<?x768xf32>)
  mercer.launch @gemm_bias(%a, %w, %n) outs(%c) {nodes = ["/fc/Gemm"]}
    : (memref<?x768xf32>, memref<16x768x48xf32>, index) outs(memref<?x768xf32>)
  return
}

// CHECK-LABEL: func @launch_on_tensors
func.func @launch_on_tensors(%a: tensor<?xf32>, %c: tensor<?xf32>) -> tensor<?xf32> {
  // CHECK: mercer.launch @relu(%{{.*}}) outs(%{{.*}}) : (tensor<?xf32>) outs(tensor<?xf32>) -> tensor<?xf32>
  %r = mercer.launch @relu(%a) outs(%c) : (tensor<?xf32>) outs(tensor<?xf32>) -> tensor<?xf32>
  return %r : tensor<?xf32>
}
