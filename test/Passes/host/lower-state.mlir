// RUN: mercer-opt %s -mercer-lower-host | FileCheck %s

// The runtime gets the index, the rank and the shape of a fixed state, and no place
// for a length: the model keeps its own. A null result leaves with E4001's
// number, under which the runtime has recorded the reason.

// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[RT:.*]]: !llvm.ptr, %[[CTX:.*]]: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr) -> i32
// CHECK: %[[DIMS:.*]] = llvm.alloca
// CHECK: %[[ROWS:.*]] = arith.constant 16 : i64
// CHECK: llvm.store %[[ROWS]]
// CHECK: %[[COLUMNS:.*]] = arith.constant 2 : i64
// CHECK: llvm.store %[[COLUMNS]]
// CHECK: %[[NONE:.*]] = llvm.mlir.zero : !llvm.ptr
// CHECK: %[[INDEX:.*]] = arith.constant 3 : i32
// CHECK: %[[RANK:.*]] = arith.constant 2 : i32
// CHECK: %[[PTR:.*]] = llvm.call %{{.*}}(%[[CTX]], %[[INDEX]], %[[RANK]], %[[DIMS]], %[[NONE]])
// CHECK: llvm.icmp "ne" %[[PTR]]
// CHECK-NOT: mercer.state
func.func @main(%x: memref<2xf32>) {
  %c0 = arith.constant 0 : index
  %cache = mercer.state 3 : memref<16x2xf32>
  %v = memref.load %x[%c0] : memref<2xf32>
  memref.store %v, %cache[%c0, %c0] : memref<16x2xf32>
  return
}

// A growing state: the default capacity goes in, the session's and the current
// length come back. The new length is given to the runtime.

// CHECK-LABEL: func.func @growing
// CHECK-SAME: (%arg0: !llvm.ptr, %[[CTX:[a-z0-9]+]]: !llvm.ptr
// CHECK: %[[DIMS:.*]] = llvm.alloca
// CHECK: %[[CAPACITY:.*]] = arith.constant 16 : i64
// CHECK: llvm.store %[[CAPACITY]]
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[DIMS]][2]
// CHECK: llvm.call %{{.*}}(%[[CTX]], %{{.*}}, %{{.*}}, %[[DIMS]], %[[PLACE]])
// CHECK: llvm.load
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[DIMS]][2]
// CHECK: %[[LENGTH:.*]] = llvm.load %[[AT]]
// CHECK: %[[ROWS:.*]] = arith.index_cast %[[LENGTH]] : i64 to index
// CHECK: %[[END:.*]] = arith.addi %[[ROWS]], %{{.*}}
// CHECK: %[[INDEX:.*]] = arith.constant 3 : i32
// CHECK: %[[NEXT:.*]] = arith.index_cast %[[END]] : index to i64
// CHECK: %[[CODE:.*]] = llvm.call %{{.*}}(%[[CTX]], %[[INDEX]], %[[NEXT]]) : {{.*}} -> i32
// CHECK: arith.cmpi eq, %[[CODE]]
func.func @growing(%x: memref<2xf32>) {
  %c1 = arith.constant 1 : index
  %cache, %rows = mercer.state 3 axis 0 capacity 16 : memref<?x2xf32>, index
  %end = arith.addi %rows, %c1 : index
  mercer.set_state_length 3, %end
  return
}
