// RUN: mercer-opt %s -mercer-bufferize-host | FileCheck %s --check-prefix=BUF
// RUN: mercer-opt %s -pass-pipeline='builtin.module(mercer-bufferize-host,mercer-emit-shapes,func.func(mercer-plan-memory),canonicalize,cse)' | FileCheck %s --check-prefix=PLAN

func.func private @gemm(%a: memref<?x256xf32>, %w: memref<256x768xf32>, %o: memref<?x768xf32>) attributes {mercer.kernel} {
  %c0 = arith.constant 0 : index
  %n = memref.dim %a, %c0 : memref<?x256xf32>
  scf.forall (%i) = (0) to (%n) step (64) {}
  return
}
func.func private @relu(%a: memref<?x768xf32>, %o: memref<?x768xf32>) attributes {mercer.kernel} {
  %c0 = arith.constant 0 : index
  %n = memref.dim %a, %c0 : memref<?x768xf32>
  scf.forall (%i) = (0) to (%n) step (64) {}
  scf.forall (%i) = (0) to (%n) step (64) {}
  return
}

// The last launch writes the output's buffer through a view; the first one's
// result lives in the arena.

// BUF-LABEL: func.func @main
// BUF-SAME: %[[X:.*]]: memref<?x256xf32>
// BUF: %[[W:.*]] = mercer.constant 0 : memref<256x768xf32>
// BUF: %[[T:.*]] = memref.alloc
// BUF: mercer.launch @gemm(%[[X]], %[[W]]) outs(%[[T]])
// BUF: %[[OUT:.*]] = mercer.output 0(%{{.*}}) : memref<?x12x64xf32>
// BUF: %[[V:.*]] = memref.reinterpret_cast %[[OUT]]
// BUF: %[[C:.*]] = memref.cast %[[V]]
// BUF: mercer.launch @relu(%[[T]]) outs(%[[C]])
// BUF-NOT: memref.copy
// BUF: return

// PLAN-LABEL: func.func @main
// PLAN: mercer.arena
// PLAN: memref.view
// PLAN: func.func @main_shapes
func.func @main(%x: tensor<?x256xf32> {mercer.name = "x"}) -> (tensor<?x12x64xf32> {mercer.name = "y"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x256xf32>
  %w = mercer.weight "w.bin"[0, 786432] : tensor<256x768xf32>
  %e = tensor.empty(%n) : tensor<?x768xf32>
  %t = mercer.launch @gemm(%x, %w) outs(%e) {nodes = ["fc"]} : (tensor<?x256xf32>, tensor<256x768xf32>) outs(tensor<?x768xf32>) -> tensor<?x768xf32>
  %n1 = tensor.dim %t, %c0 : tensor<?x768xf32>
  %e1 = tensor.empty(%n1) : tensor<?x768xf32>
  %r = mercer.launch @relu(%t) outs(%e1) {nodes = ["act"]} : (tensor<?x768xf32>) outs(tensor<?x768xf32>) -> tensor<?x768xf32>
  %v = tensor.expand_shape %r [[0], [1, 2]] output_shape [%n, 12, 64] : tensor<?x768xf32> into tensor<?x12x64xf32>
  return %v : tensor<?x12x64xf32>
}
