// RUN: mercer-opt %s -pass-pipeline='builtin.module(mercer-emit-shapes,convert-scf-to-cf,mercer-lower-host)' | FileCheck %s

func.func private @two_phases(memref<?xf32>, index, memref<?xf32>) attributes {mercer.kernel, mercer.phases = 2 : i64}

// Every call is checked; a kernel of two phases is two launches with the same
// parameters and site.

// CHECK: mercer.sites = [{kernel = @two_phases, nodes = ["norm"]}]
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[RT:.*]]: !llvm.ptr, %[[CTX:.*]]: !llvm.ptr, %[[CONSTANTS:.*]]: !llvm.ptr, %[[ARGS:.*]]: !llvm.ptr) -> i32
// The message of an assertion goes to the runtime.
// CHECK: llvm.mlir.addressof @main_text_0
// CHECK: llvm.getelementptr %[[RT]][80]
// CHECK: llvm.getelementptr %[[RT]][8]
// CHECK: llvm.call %{{.*}}(%[[CTX]], %{{.*}}, %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i32, i32, !llvm.ptr) -> !llvm.ptr
// CHECK: llvm.icmp "ne"
// CHECK: cf.cond_br
// CHECK: llvm.getelementptr %[[RT]][40]
// CHECK: llvm.call {{.*}} -> i32
// CHECK: cf.cond_br
// CHECK: llvm.getelementptr %[[RT]][40]
// CHECK: llvm.call {{.*}} -> i32
// CHECK: return %{{.*}} : i32

// CHECK-LABEL: func.func @main_shapes(
// CHECK: llvm.load
// CHECK: llvm.store
func.func @main(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = memref.dim %x, %c0 : memref<?xf32>
  %rest = arith.remui %n, %c4 : index
  %ok = arith.cmpi eq, %rest, %c0 : index
  cf.assert %ok, "[E4103] expects a multiple of 4"
  %o = mercer.output 0(%n) : memref<?xf32>
  mercer.launch @two_phases(%x, %n) outs(%o) {nodes = ["norm"]} : (memref<?xf32>, index) outs(memref<?xf32>)
  return
}

// Constants are addresses in a table, and a scalar reaches a buffer through
// the runtime: it may lie where the host cannot write.

// CHECK-LABEL: func.func @scalar(
// CHECK-SAME: %[[RT:.*]]: !llvm.ptr, %[[CTX:.*]]: !llvm.ptr, %[[CONSTANTS:.*]]: !llvm.ptr, %[[ARGS:.*]]: !llvm.ptr) -> i32
// CHECK: llvm.getelementptr %[[CONSTANTS]][1]
// CHECK: llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK-NOT: memref.store
// CHECK: %[[BITS:.*]] = arith.extui %{{.*}} : i32 to i64
// CHECK: %[[BYTES:.*]] = arith.constant 4 : i64
// CHECK: llvm.getelementptr %[[RT]][88]
// CHECK: llvm.call %{{.*}}(%[[CTX]], %{{.*}}, %[[BITS]], %[[BYTES]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, i64, i64) -> i32
// CHECK: cf.cond_br
func.func @scalar(%x: memref<2xf32>) {
  %c1 = arith.constant 1 : index
  %v = arith.constant 2.0 : f32
  %w = mercer.constant 1 : memref<2xf32>
  %o = mercer.output 0() : memref<2xf32>
  memref.copy %w, %o : memref<2xf32> to memref<2xf32>
  memref.store %v, %o[%c1] : memref<2xf32>
  return
}

// CHECK: llvm.mlir.global internal constant @main_text_0("[E4103] expects a multiple of 4\00")
