// The decoder of decode.mlir with a cache that grows: its capacity is the
// session's, and the runtime keeps how many rows are in use. Scores of any
// number of rows are folded one at a time.
// State 0: keys, 1: values.

func.func private @append(%x: memref<?x8xf32>, %at: index, %cache: memref<?x8xf32>) attributes {mercer.kernel} {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x8xf32>
  scf.forall (%i) = (0) to (%n) step (1) {
    %row = arith.addi %i, %at : index
    %from = memref.subview %x[%i, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    %to = memref.subview %cache[%row, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    memref.copy %from, %to : memref<1x8xf32, strided<[8, 1], offset: ?>> to memref<1x8xf32, strided<[8, 1], offset: ?>>
  }
  return
}

func.func private @attend(%q: memref<?x8xf32>, %k: memref<?x8xf32>, %v: memref<?x8xf32>, %at: index, %o: memref<?x8xf32>) attributes {mercer.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %n = memref.dim %q, %c0 : memref<?x8xf32>
  scf.forall (%i) = (0) to (%n) step (1) {
    %before = arith.addi %at, %i : index
    %rows = arith.addi %before, %c1 : index
    %qi = memref.subview %q[%i, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<8xf32, strided<[1], offset: ?>>
    %oi = memref.subview %o[%i, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<8xf32, strided<[1], offset: ?>>
    %s = memref.alloca() : memref<f32>
    %max = memref.alloca() : memref<f32>
    %sum = memref.alloca() : memref<f32>
    %factor = memref.alloca() : memref<f32>
    %weight = memref.alloca() : memref<f32>
    linalg.fill ins(%lowest : f32) outs(%max : memref<f32>)
    linalg.fill ins(%zero : f32) outs(%sum : memref<f32>)
    linalg.fill ins(%zero : f32) outs(%oi : memref<8xf32, strided<[1], offset: ?>>)
    scf.for %j = %c0 to %rows step %c1 {
      %kj = memref.subview %k[%j, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<8xf32, strided<[1], offset: ?>>
      %vj = memref.subview %v[%j, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<8xf32, strided<[1], offset: ?>>
      linalg.fill ins(%zero : f32) outs(%s : memref<f32>)
      linalg.generic {indexing_maps = [affine_map<(d) -> (d)>, affine_map<(d) -> (d)>, affine_map<(d) -> ()>], iterator_types = ["reduction"]}
          ins(%qi, %kj : memref<8xf32, strided<[1], offset: ?>>, memref<8xf32, strided<[1], offset: ?>>) outs(%s : memref<f32>) {
        ^bb0(%a: f32, %b: f32, %acc: f32):
          %p = arith.mulf %a, %b : f32
          %r = arith.addf %acc, %p : f32
          linalg.yield %r : f32
      }
      linalg.generic {indexing_maps = [affine_map<() -> ()>, affine_map<() -> ()>, affine_map<() -> ()>, affine_map<() -> ()>, affine_map<() -> ()>], iterator_types = []}
          ins(%s : memref<f32>) outs(%max, %sum, %factor, %weight : memref<f32>, memref<f32>, memref<f32>, memref<f32>) {
        ^bb0(%a: f32, %m: f32, %l: f32, %f: f32, %w: f32):
          %m1 = arith.maximumf %m, %a : f32
          %dm = arith.subf %m, %m1 : f32
          %f1 = math.exp %dm : f32
          %da = arith.subf %a, %m1 : f32
          %w1 = math.exp %da : f32
          %scaled = arith.mulf %l, %f1 : f32
          %l1 = arith.addf %scaled, %w1 : f32
          linalg.yield %m1, %l1, %f1, %w1 : f32, f32, f32, f32
      }
      linalg.generic {indexing_maps = [affine_map<(d) -> ()>, affine_map<(d) -> ()>, affine_map<(d) -> (d)>, affine_map<(d) -> (d)>], iterator_types = ["parallel"]}
          ins(%factor, %weight, %vj : memref<f32>, memref<f32>, memref<8xf32, strided<[1], offset: ?>>) outs(%oi : memref<8xf32, strided<[1], offset: ?>>) {
        ^bb0(%f: f32, %w: f32, %a: f32, %acc: f32):
          %old = arith.mulf %acc, %f : f32
          %new = arith.mulf %a, %w : f32
          %r = arith.addf %old, %new : f32
          linalg.yield %r : f32
      }
    }
    linalg.generic {indexing_maps = [affine_map<(d) -> ()>, affine_map<(d) -> (d)>], iterator_types = ["parallel"]}
        ins(%sum : memref<f32>) outs(%oi : memref<8xf32, strided<[1], offset: ?>>) {
      ^bb0(%l: f32, %a: f32):
        %r = arith.divf %a, %l : f32
        linalg.yield %r : f32
    }
  }
  return
}

func.func @main(%q: memref<?x8xf32> {mercer.name = "q", mercer.dims = ["S", ""]},
                %k: memref<?x8xf32> {mercer.name = "k", mercer.dims = ["S", ""]},
                %v: memref<?x8xf32> {mercer.name = "v", mercer.dims = ["S", ""]})
    attributes {mercer.results = [{mercer.name = "o", mercer.dims = ["S", ""]}]} {
  %c0 = arith.constant 0 : index
  %keys, %at = mercer.state 0 axis 0 capacity 16 {mercer.name = "keys"} : memref<?x8xf32>, index
  %values, %same = mercer.state 1 axis 0 capacity 16 {mercer.name = "values"} : memref<?x8xf32>, index
  %s = memref.dim %q, %c0 : memref<?x8xf32>
  %end = arith.addi %at, %s : index
  mercer.set_state_length 0, %end
  mercer.set_state_length 1, %end
  mercer.launch @append(%k, %at) outs(%keys) : (memref<?x8xf32>, index) outs(memref<?x8xf32>)
  mercer.launch @append(%v, %at) outs(%values) : (memref<?x8xf32>, index) outs(memref<?x8xf32>)
  %o = mercer.output 0(%s) : memref<?x8xf32>
  mercer.launch @attend(%q, %keys, %values, %at) outs(%o) {nodes = ["attend"]}
    : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>, index) outs(memref<?x8xf32>)
  return
}

func.func @main_shapes(%in: !llvm.ptr, %out: !llvm.ptr) -> i32 attributes {mercer.shapes} {
  %s = llvm.load %in : !llvm.ptr -> i64
  llvm.store %s, %out : i64, !llvm.ptr
  %c8 = arith.constant 8 : i64
  %second = llvm.getelementptr %out[1] : (!llvm.ptr) -> !llvm.ptr, i64
  llvm.store %c8, %second : i64, !llvm.ptr
  %c0 = arith.constant 0 : i32
  return %c0 : i32
}
