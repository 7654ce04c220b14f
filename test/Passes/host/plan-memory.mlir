// RUN: mercer-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(mercer-plan-memory),canonicalize,cse)' | FileCheck %s

func.func private @k(memref<1000xf32>, memref<1000xf32>) attributes {mercer.kernel}

// A static chain: two places are enough for three buffers, and offsets are
// constants.

// CHECK-LABEL: func.func @chain
// CHECK-DAG: %[[O0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[O1:.*]] = arith.constant 4032 : index
// CHECK-DAG: %[[SIZE:.*]] = arith.constant 8064 : index
// CHECK: %[[ARENA:.*]] = mercer.arena %[[SIZE]] : memref<8064xi8>
// CHECK-NOT: memref.alloc
// CHECK-DAG: %[[A:.*]] = memref.view %[[ARENA]][%[[O0]]][] : memref<8064xi8> to memref<1000xf32>
// CHECK-DAG: %[[B:.*]] = memref.view %[[ARENA]][%[[O1]]][] : memref<8064xi8> to memref<1000xf32>
// CHECK: mercer.launch @k(%arg0) outs(%[[A]])
// CHECK: mercer.launch @k(%[[A]]) outs(%[[B]])
// CHECK: mercer.launch @k(%[[B]]) outs(%[[A]])
func.func @chain(%x: memref<1000xf32>) {
  %a = memref.alloc() : memref<1000xf32>
  %b = memref.alloc() : memref<1000xf32>
  %c = memref.alloc() : memref<1000xf32>
  mercer.launch @k(%x) outs(%a) : (memref<1000xf32>) outs(memref<1000xf32>)
  mercer.launch @k(%a) outs(%b) : (memref<1000xf32>) outs(memref<1000xf32>)
  mercer.launch @k(%b) outs(%c) : (memref<1000xf32>) outs(memref<1000xf32>)
  %o = mercer.output 0() : memref<1000xf32>
  mercer.launch @k(%c) outs(%o) : (memref<1000xf32>) outs(memref<1000xf32>)
  return
}

// -----

func.func private @k(memref<?xf32>, memref<?xf32>) attributes {mercer.kernel}

// A view keeps its buffer alive.

// CHECK-LABEL: func.func @view_lives_on
// CHECK: mercer.arena
// CHECK: %[[A:.*]] = memref.view %{{.*}}[%{{.*}}][%[[N:.*]]]
// CHECK: %[[B:.*]] = memref.view %{{.*}}[%[[OFFSET:.*]]][%[[N]]]
// CHECK: mercer.launch @k(%arg0) outs(%[[A]])
// CHECK: mercer.launch @k(%arg0) outs(%[[B]])
func.func @view_lives_on(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?xf32>
  %a = memref.alloc(%n) : memref<?xf32>
  mercer.launch @k(%x) outs(%a) : (memref<?xf32>) outs(memref<?xf32>)
  %c1 = arith.constant 1 : index
  %v = memref.expand_shape %a [[0, 1]] output_shape [1, %n] : memref<?xf32> into memref<1x?xf32>
  %b = memref.alloc(%n) : memref<?xf32>
  mercer.launch @k(%x) outs(%b) : (memref<?xf32>) outs(memref<?xf32>)
  %w = memref.collapse_shape %v [[0, 1]] : memref<1x?xf32> into memref<?xf32>
  %o = mercer.output 0(%n) : memref<?xf32>
  mercer.launch @k(%w) outs(%o) : (memref<?xf32>) outs(memref<?xf32>)
  %p = mercer.output 1(%n) : memref<?xf32>
  mercer.launch @k(%b) outs(%p) : (memref<?xf32>) outs(memref<?xf32>)
  return
}

// -----

func.func private @k(memref<?xf32>, memref<?xf32>) attributes {mercer.kernel}

// A size that is read from data is not known at the start.

// CHECK-LABEL: func.func @data_dependent
// CHECK-NOT: mercer.arena
// CHECK: memref.load
// CHECK: memref.alloc(
func.func @data_dependent(%x: memref<?xf32>, %lengths: memref<1xindex>) {
  %c0 = arith.constant 0 : index
  %r = mercer.read %lengths : memref<1xindex>
  %n = memref.load %r[%c0] : memref<1xindex>
  %a = memref.alloc(%n) : memref<?xf32>
  mercer.launch @k(%x) outs(%a) : (memref<?xf32>) outs(memref<?xf32>)
  %o = mercer.output 0(%n) : memref<?xf32>
  mercer.launch @k(%a) outs(%o) : (memref<?xf32>) outs(memref<?xf32>)
  return
}
