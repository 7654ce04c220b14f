// RUN: mercer-opt %s -split-input-file -mercer-cpu-outline-phases -verify-diagnostics | FileCheck %s

// Two phases, each with its grid; index arithmetic is computed in both.
// CHECK-LABEL: func.func @k$0_grid(%{{.*}}: !llvm.ptr) -> i64
// CHECK: arith.ceildivui
// CHECK-LABEL: func.func @k$0(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: !llvm.ptr)
// CHECK-SAME: mercer.phase_of = "k"
// CHECK: scf.for
// CHECK: linalg.fill
// CHECK-LABEL: func.func @k$1_grid
// CHECK-LABEL: func.func @k$1(
// CHECK: scf.for
// CHECK: arith.remui
// CHECK: arith.divui
// CHECK-NOT: scf.forall
func.func @k(%a: memref<?x64xf32>, %n: index) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  %half = arith.divui %n, %n : index
  scf.forall (%i) = (0) to (%n) step (8) {
    linalg.fill ins(%zero : f32) outs(%a : memref<?x64xf32>)
  }
  scf.forall (%i, %j) in (%n, %half) {
    memref.store %zero, %a[%i, %j] : memref<?x64xf32>
  }
  return
}

// -----

// Scratch of 512 KiB does not go on the stack.
// CHECK-LABEL: func.func @large$0(
// CHECK-SAME: mercer.scratch_bytes = 524288 : i64
// CHECK-NOT: memref.alloca
func.func @large(%a: memref<4xf32>) attributes {mercer.kernel} {
  scf.forall (%i) in (4) {
    %t = memref.alloca() : memref<131072xf32>
    %v = memref.load %t[%i] : memref<131072xf32>
    memref.store %v, %a[%i] : memref<4xf32>
  }
  return
}

// -----

func.func @unbounded(%a: memref<4xf32>, %n: index) attributes {mercer.kernel} {
  scf.forall (%i) in (4) {
    // expected-error @below {{[E3103] expects scratch of static size, found 'memref<?xf32>'}}
    %t = memref.alloca(%n) : memref<?xf32>
    %v = memref.load %t[%i] : memref<?xf32>
    memref.store %v, %a[%i] : memref<4xf32>
  }
  return
}

// -----

func.func @shared(%a: memref<4xf32>) attributes {mercer.kernel} {
  // expected-error @below {{[E3106] expects nothing but buffer arguments to pass from phase to phase}}
  %t = memref.alloca() : memref<4xf32>
  scf.forall (%i) in (4) {
    %v = memref.load %a[%i] : memref<4xf32>
    memref.store %v, %t[%i] : memref<4xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %t[%i] : memref<4xf32>
    memref.store %v, %a[%i] : memref<4xf32>
  }
  return
}

// -----

// expected-error @below {{[E3105] expects a kernel of one block without results}}
func.func @result(%n: index) -> index attributes {mercer.kernel} {
  return %n : index
}
