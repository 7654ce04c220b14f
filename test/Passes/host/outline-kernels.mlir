// RUN: mercer-opt %s -mercer-outline-kernels | FileCheck %s

// Two equal kernels become one function; the names stay with the launches.

// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = mercer.launch @relu(%arg0) outs(%{{.*}}) {nodes = ["act1"]}
// CHECK: mercer.launch @relu(%[[A]]) outs(%{{.*}}) {nodes = ["act2"]}
// CHECK: mercer.launch @norm(%{{.*}}) outs(%{{.*}}, %{{.*}}) :
// CHECK-SAME: outs(tensor<?xf32>, tensor<?xf32>)
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %a = mercer.kernel "relu" ins(%p = %x : tensor<?xf32>) outs(%o = %e : tensor<?xf32>) attrs {mercer.nodes = ["act1"]} {
    %k0 = arith.constant 0 : index
    %m = tensor.dim %p, %k0 : tensor<?xf32>
    %r = scf.forall (%i) = (0) to (%m) step (64) shared_outs(%s = %o) -> (tensor<?xf32>) {
      %w = affine.min affine_map<(d0)[s0] -> (64, s0 - d0)>(%i)[%m]
      %t = tensor.extract_slice %p[%i][%w][1] : tensor<?xf32> to tensor<?xf32>
      %u = tensor.extract_slice %s[%i][%w][1] : tensor<?xf32> to tensor<?xf32>
      %v = linalg.abs ins(%t : tensor<?xf32>) outs(%u : tensor<?xf32>) -> tensor<?xf32>
      scf.forall.in_parallel { tensor.parallel_insert_slice %v into %s[%i][%w][1] : tensor<?xf32> into tensor<?xf32> }
    }
    mercer.yield %r : tensor<?xf32>
  } -> tensor<?xf32>
  %e1 = tensor.empty(%n) : tensor<?xf32>
  %b = mercer.kernel "relu_1" ins(%p = %a : tensor<?xf32>) outs(%o = %e1 : tensor<?xf32>) attrs {mercer.nodes = ["act2"]} {
    %k0 = arith.constant 0 : index
    %m = tensor.dim %p, %k0 : tensor<?xf32>
    %r = scf.forall (%i) = (0) to (%m) step (64) shared_outs(%s = %o) -> (tensor<?xf32>) {
      %w = affine.min affine_map<(d0)[s0] -> (64, s0 - d0)>(%i)[%m]
      %t = tensor.extract_slice %p[%i][%w][1] : tensor<?xf32> to tensor<?xf32>
      %u = tensor.extract_slice %s[%i][%w][1] : tensor<?xf32> to tensor<?xf32>
      %v = linalg.abs ins(%t : tensor<?xf32>) outs(%u : tensor<?xf32>) -> tensor<?xf32>
      scf.forall.in_parallel { tensor.parallel_insert_slice %v into %s[%i][%w][1] : tensor<?xf32> into tensor<?xf32> }
    }
    mercer.yield %r : tensor<?xf32>
  } -> tensor<?xf32>
  // What the first phase hands to the second becomes one more output.
  %e2 = tensor.empty(%n) : tensor<?xf32>
  %c = mercer.kernel "norm" ins(%p = %b : tensor<?xf32>) outs(%o = %e2 : tensor<?xf32>) {
    %k0 = arith.constant 0 : index
    %m = tensor.dim %p, %k0 : tensor<?xf32>
    %z = tensor.empty(%m) : tensor<?xf32>
    %r0 = scf.forall (%i) = (0) to (%m) step (64) shared_outs(%s = %z) -> (tensor<?xf32>) {
      %w = affine.min affine_map<(d0)[s0] -> (64, s0 - d0)>(%i)[%m]
      %t = tensor.extract_slice %p[%i][%w][1] : tensor<?xf32> to tensor<?xf32>
      %u = tensor.extract_slice %s[%i][%w][1] : tensor<?xf32> to tensor<?xf32>
      %v = linalg.exp ins(%t : tensor<?xf32>) outs(%u : tensor<?xf32>) -> tensor<?xf32>
      scf.forall.in_parallel { tensor.parallel_insert_slice %v into %s[%i][%w][1] : tensor<?xf32> into tensor<?xf32> }
    }
    %r = scf.forall (%i) = (0) to (%m) step (64) shared_outs(%s = %o) -> (tensor<?xf32>) {
      %w = affine.min affine_map<(d0)[s0] -> (64, s0 - d0)>(%i)[%m]
      %t = tensor.extract_slice %r0[%i][%w][1] : tensor<?xf32> to tensor<?xf32>
      %u = tensor.extract_slice %s[%i][%w][1] : tensor<?xf32> to tensor<?xf32>
      %v = linalg.abs ins(%t : tensor<?xf32>) outs(%u : tensor<?xf32>) -> tensor<?xf32>
      scf.forall.in_parallel { tensor.parallel_insert_slice %v into %s[%i][%w][1] : tensor<?xf32> into tensor<?xf32> }
    }
    mercer.yield %r : tensor<?xf32>
  } -> tensor<?xf32>
  return %c : tensor<?xf32>
}

// CHECK-LABEL: func.func private @relu
// CHECK-SAME: (%{{.*}}: memref<?xf32>, %{{.*}}: memref<?xf32>) attributes {mercer.kernel}
// CHECK: bufferization.to_tensor %{{.*}} restrict :
// CHECK: bufferization.to_tensor %{{.*}} restrict writable :
// CHECK: bufferization.materialize_in_destination
// CHECK-NOT: func.func private @relu
// CHECK: func.func private @norm
