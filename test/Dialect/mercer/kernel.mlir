// RUN: mercer-opt %s | mercer-opt | FileCheck %s

// CHECK-LABEL: func @weight
func.func @weight() -> tensor<64x3x7x7xf32> {
  // CHECK: mercer.weight "model.onnx"[4096, 37632] : tensor<64x3x7x7xf32>
  %w = mercer.weight "model.onnx"[4096, 37632] : tensor<64x3x7x7xf32>
  return %w : tensor<64x3x7x7xf32>
}

// CHECK-LABEL: func @kernel
func.func @kernel(%x: tensor<4x8xf32>, %init: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: mercer.kernel "relu" ins(%[[A:.*]] = %{{.*}} : tensor<4x8xf32>) outs(%[[O:.*]] = %{{.*}} : tensor<4x8xf32>) attrs {mercer.schedule = {grid = array<i64: 4, 8>}} {
  // CHECK: mercer.yield %{{.*}} : tensor<4x8xf32>
  // CHECK: } -> tensor<4x8xf32>
  %r = mercer.kernel "relu" ins(%a = %x : tensor<4x8xf32>)
      outs(%o = %init : tensor<4x8xf32>)
      attrs {mercer.schedule = {grid = array<i64: 4, 8>}} {
    %z = linalg.elementwise kind=#linalg.elementwise_kind<abs>
        ins(%a : tensor<4x8xf32>) outs(%o : tensor<4x8xf32>) -> tensor<4x8xf32>
    mercer.yield %z : tensor<4x8xf32>
  } -> tensor<4x8xf32>
  return %r : tensor<4x8xf32>
}

// Without a name, inputs or attributes; several results and scalars.
// CHECK-LABEL: func @kernel_two_results
func.func @kernel_two_results(%n: index, %i: tensor<?xf32>, %j: tensor<2xindex>) -> (tensor<?xf32>, tensor<2xindex>) {
  // CHECK: mercer.kernel ins(%{{.*}} = %{{.*}} : index) outs(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}} : tensor<?xf32>, tensor<2xindex>) {
  // CHECK: } -> tensor<?xf32>, tensor<2xindex>
  %r:2 = mercer.kernel ins(%s = %n : index) outs(%a = %i, %b = %j : tensor<?xf32>, tensor<2xindex>) {
    %f = linalg.fill ins(%s : index) outs(%b : tensor<2xindex>) -> tensor<2xindex>
    mercer.yield %a, %f : tensor<?xf32>, tensor<2xindex>
  } -> tensor<?xf32>, tensor<2xindex>
  return %r#0, %r#1 : tensor<?xf32>, tensor<2xindex>
}

func.func private @k0(memref<?x8xf32>, index, memref<?x8xf32>)

// CHECK-LABEL: func @launch
func.func @launch(%a: memref<?x8xf32>, %b: memref<?x8xf32>, %n: index) {
  // CHECK: mercer.launch @k0(%{{.*}}, %{{.*}}) outs(%{{.*}}) : (memref<?x8xf32>, index) outs(memref<?x8xf32>)
  mercer.launch @k0(%a, %n) outs(%b) : (memref<?x8xf32>, index) outs(memref<?x8xf32>)
  return
}

// CHECK-LABEL: func @load_tile
func.func @load_tile(%x: tensor<1x?x56xf32>, %h: index, %zero: f32) -> tensor<1x4x58xf32> {
  // CHECK: mercer.load_tile %{{.*}}[0, %{{.*}}, -1] [1, 4, 58] pad(%{{.*}} : f32) : tensor<1x?x56xf32> to tensor<1x4x58xf32>
  %t = mercer.load_tile %x[0, %h, -1] [1, 4, 58] pad(%zero : f32) bounds zero
      : tensor<1x?x56xf32> to tensor<1x4x58xf32>
  // CHECK: mercer.load_tile %{{.*}}[0, 0, -2] [1, 4, 60] bounds wrap : tensor<1x?x56xf32> to tensor<1x4x60xf32>
  %u = mercer.load_tile %x[0, 0, -2] [1, 4, 60] bounds wrap
      : tensor<1x?x56xf32> to tensor<1x4x60xf32>
  return %t : tensor<1x4x58xf32>
}
