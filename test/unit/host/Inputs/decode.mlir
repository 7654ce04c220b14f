// One head of a decoder with a key/value cache of at most 16 rows of 8, after
// the bufferize stage. It appends the S new keys and values in place and lets
// every new query attend to all rows up to its own.
// State 0: keys, 1: values, 2: how many rows there are.

func.func private @append(%x: memref<?x8xf32>, %at: index, %cache: memref<16x8xf32>) attributes {mercer.kernel} {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x8xf32>
  scf.forall (%i) = (0) to (%n) step (1) {
    %row = arith.addi %i, %at : index
    %from = memref.subview %x[%i, 0] [1, 8] [1, 1] : memref<?x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    %to = memref.subview %cache[%row, 0] [1, 8] [1, 1] : memref<16x8xf32> to memref<1x8xf32, strided<[8, 1], offset: ?>>
    memref.copy %from, %to : memref<1x8xf32, strided<[8, 1], offset: ?>> to memref<1x8xf32, strided<[8, 1], offset: ?>>
  }
  return
}

func.func private @attend(%q: memref<?x8xf32>, %k: memref<16x8xf32>, %v: memref<16x8xf32>, %at: index, %o: memref<?x8xf32>) attributes {mercer.kernel} {
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
    %keys = memref.subview %k[0, 0] [%rows, 8] [1, 1] : memref<16x8xf32> to memref<?x8xf32, strided<[8, 1]>>
    %values = memref.subview %v[0, 0] [%rows, 8] [1, 1] : memref<16x8xf32> to memref<?x8xf32, strided<[8, 1]>>
    %scores = memref.alloca() : memref<16xf32>
    %s = memref.subview %scores[0] [%rows] [1] : memref<16xf32> to memref<?xf32, strided<[1]>>
    %max = memref.alloca() : memref<f32>
    %sum = memref.alloca() : memref<f32>
    linalg.fill ins(%zero : f32) outs(%s : memref<?xf32, strided<[1]>>)
    linalg.generic {indexing_maps = [affine_map<(j, d) -> (d)>, affine_map<(j, d) -> (j, d)>, affine_map<(j, d) -> (j)>],
                    iterator_types = ["parallel", "reduction"]}
        ins(%qi, %keys : memref<8xf32, strided<[1], offset: ?>>, memref<?x8xf32, strided<[8, 1]>>)
        outs(%s : memref<?xf32, strided<[1]>>) {
      ^bb0(%a: f32, %b: f32, %acc: f32):
        %p = arith.mulf %a, %b : f32
        %r = arith.addf %acc, %p : f32
        linalg.yield %r : f32
    }
    linalg.fill ins(%lowest : f32) outs(%max : memref<f32>)
    linalg.generic {indexing_maps = [affine_map<(j) -> (j)>, affine_map<(j) -> ()>], iterator_types = ["reduction"]}
        ins(%s : memref<?xf32, strided<[1]>>) outs(%max : memref<f32>) {
      ^bb0(%a: f32, %acc: f32):
        %r = arith.maximumf %a, %acc : f32
        linalg.yield %r : f32
    }
    linalg.generic {indexing_maps = [affine_map<(j) -> ()>, affine_map<(j) -> (j)>], iterator_types = ["parallel"]}
        ins(%max : memref<f32>) outs(%s : memref<?xf32, strided<[1]>>) {
      ^bb0(%m: f32, %a: f32):
        %d = arith.subf %a, %m : f32
        %e = math.exp %d : f32
        linalg.yield %e : f32
    }
    linalg.fill ins(%zero : f32) outs(%sum : memref<f32>)
    linalg.generic {indexing_maps = [affine_map<(j) -> (j)>, affine_map<(j) -> ()>], iterator_types = ["reduction"]}
        ins(%s : memref<?xf32, strided<[1]>>) outs(%sum : memref<f32>) {
      ^bb0(%a: f32, %acc: f32):
        %r = arith.addf %a, %acc : f32
        linalg.yield %r : f32
    }
    linalg.fill ins(%zero : f32) outs(%oi : memref<8xf32, strided<[1], offset: ?>>)
    linalg.generic {indexing_maps = [affine_map<(d, j) -> (j)>, affine_map<(d, j) -> (j, d)>, affine_map<(d, j) -> (d)>],
                    iterator_types = ["parallel", "reduction"]}
        ins(%s, %values : memref<?xf32, strided<[1]>>, memref<?x8xf32, strided<[8, 1]>>)
        outs(%oi : memref<8xf32, strided<[1], offset: ?>>) {
      ^bb0(%a: f32, %b: f32, %acc: f32):
        %p = arith.mulf %a, %b : f32
        %r = arith.addf %acc, %p : f32
        linalg.yield %r : f32
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
  %capacity = arith.constant 16 : index
  %keys = mercer.state 0 {mercer.name = "keys"} : memref<16x8xf32>
  %values = mercer.state 1 {mercer.name = "values"} : memref<16x8xf32>
  %rows = mercer.state 2 {mercer.name = "rows"} : memref<1xi64>
  %readable = mercer.read %rows : memref<1xi64>
  %word = memref.load %readable[%c0] : memref<1xi64>
  %at = arith.index_cast %word : i64 to index
  %s = memref.dim %q, %c0 : memref<?x8xf32>
  %end = arith.addi %at, %s : index
  %fits = arith.cmpi sle, %end, %capacity : index
  cf.assert %fits, "[E4201] the cache holds 16 rows"
  mercer.launch @append(%k, %at) outs(%keys) : (memref<?x8xf32>, index) outs(memref<16x8xf32>)
  mercer.launch @append(%v, %at) outs(%values) : (memref<?x8xf32>, index) outs(memref<16x8xf32>)
  %o = mercer.output 0(%s) : memref<?x8xf32>
  mercer.launch @attend(%q, %keys, %values, %at) outs(%o) {nodes = ["attend"]}
    : (memref<?x8xf32>, memref<16x8xf32>, memref<16x8xf32>, index) outs(memref<?x8xf32>)
  %now = arith.index_cast %end : index to i64
  memref.store %now, %rows[%c0] : memref<1xi64>
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
