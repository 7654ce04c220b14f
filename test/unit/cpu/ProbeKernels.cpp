//===- ProbeKernels.cpp - kernels whose speed is watched ------------------===//

#include "test/unit/cpu/ProbeKernels.h"

using namespace mercer::test;

std::string mercer::test::peakKernel(int64_t lanes, int64_t accumulators) {
  std::string vector = "vector<" + std::to_string(lanes) + "xf32>";
  // Equal chains would be merged into one.
  std::string starts;
  for (int64_t i = 0; i < accumulators; ++i) {
    std::string n = std::to_string(i);
    starts += "  %i" + n + " = arith.constant " + std::to_string(2 + i) +
              " : index\n  %s" + n + " = vector.load %d[%i" + n +
              "] : memref<512xf32>, " + vector + "\n";
  }
  std::string text =
      "func.func @k(%d: memref<512xf32>, %n: index) attributes "
      "{mercer.kernel} {\n  scf.forall (%t) in (1) {\n"
      "  %c0 = arith.constant 0 : index\n"
      "  %c1 = arith.constant 1 : index\n"
      "  %x = vector.load %d[%c0] : memref<512xf32>, " +
      vector + "\n  %y = vector.load %d[%c1] : memref<512xf32>, " + vector +
      "\n" + starts + "  %r:" + std::to_string(accumulators) +
      " = scf.for %i = %c0 to %n step %c1 iter_args(";
  std::string types, body, yields;
  for (int64_t i = 0; i < accumulators; ++i) {
    std::string n = std::to_string(i), comma = i ? ", " : "";
    text += comma + "%a" + n + " = %s" + n;
    types += comma + vector;
    body += "    %f" + n + " = math.fma %a" + n + ", %x, %y : " + vector + "\n";
    yields += comma + "%f" + n;
  }
  text += ") -> (" + types + ") {\n" + body + "    scf.yield " + yields +
          " : " + types + "\n  }\n";
  for (int64_t i = 0; i < accumulators; ++i)
    text += "  vector.store %r#" + std::to_string(i) + ", %d[%i" +
            std::to_string(i) + "] : " + "memref<512xf32>, " + vector + "\n";
  return text + "  }\n  return\n}\n";
}

static const char *matmul = R"(
func.func @k(%a: memref<512x512xf32>, %b: memref<8x512x64xf32>, %c: memref<512x512xf32>) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  scf.forall (%j, %i) = (0, 0) to (8, 512) step (1, 64) {
    %n = affine.apply affine_map<(d0) -> (d0 * 64)>(%j)
    %as = memref.subview %a[%i, 0] [64, 512] [1, 1] : memref<512x512xf32> to memref<64x512xf32, strided<[512, 1], offset: ?>>
    %bs = memref.subview %b[%j, 0, 0] [1, 512, 64] [1, 1, 1] : memref<8x512x64xf32> to memref<512x64xf32, strided<[64, 1], offset: ?>>
    %cs = memref.subview %c[%i, %n] [64, 64] [1, 1] : memref<512x512xf32> to memref<64x64xf32, strided<[512, 1], offset: ?>>
    linalg.fill ins(%zero : f32) outs(%cs : memref<64x64xf32, strided<[512, 1], offset: ?>>)
    linalg.matmul ins(%as, %bs : memref<64x512xf32, strided<[512, 1], offset: ?>>, memref<512x64xf32, strided<[64, 1], offset: ?>>) outs(%cs : memref<64x64xf32, strided<[512, 1], offset: ?>>)
  }
  return
}
)";

// The same product with every size known at run time only.
static const char *matmulDynamic = R"(
func.func @k(%a: memref<?x?xf32>, %b: memref<?x?x48xf32>, %c: memref<?x?xf32>, %m: index, %n: index, %k: index) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  %p = affine.apply affine_map<()[s0] -> (s0 ceildiv 48)>()[%n]
  scf.forall (%j, %i) = (0, 0) to (%p, %m) step (1, 64) {
    %n0 = affine.apply affine_map<(d0) -> (d0 * 48)>(%j)
    %ms = affine.min affine_map<(d0)[s0] -> (64, s0 - d0)>(%i)[%m]
    %ns = affine.min affine_map<(d0)[s0] -> (48, s0 - d0)>(%n0)[%n]
    %as = memref.subview %a[%i, 0] [%ms, %k] [1, 1] : memref<?x?xf32> to memref<?x?xf32, strided<[?, 1], offset: ?>>
    %bs = memref.subview %b[%j, 0, 0] [1, %k, %ns] [1, 1, 1] : memref<?x?x48xf32> to memref<?x?xf32, strided<[48, 1], offset: ?>>
    %cs = memref.subview %c[%i, %n0] [%ms, %ns] [1, 1] : memref<?x?xf32> to memref<?x?xf32, strided<[?, 1], offset: ?>>
    linalg.fill ins(%zero : f32) outs(%cs : memref<?x?xf32, strided<[?, 1], offset: ?>>)
    linalg.matmul ins(%as, %bs : memref<?x?xf32, strided<[?, 1], offset: ?>>, memref<?x?xf32, strided<[48, 1], offset: ?>>) outs(%cs : memref<?x?xf32, strided<[?, 1], offset: ?>>)
  }
  return
}
)";

static const char *conv = R"(
#x = affine_map<(oh, ow, o, kh, kw, c) -> (oh + kh, ow + kw, c)>
#w = affine_map<(oh, ow, o, kh, kw, c) -> (kh, kw, c, o)>
#o = affine_map<(oh, ow, o, kh, kw, c) -> (oh, ow, o)>
func.func @k(%x: memref<58x58x64xf32>, %w: memref<2x3x3x64x32xf32>, %o: memref<56x56x64xf32>) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  scf.forall (%p, %r) = (0, 0) to (2, 56) step (1, 4) {
    %f = affine.apply affine_map<(d0) -> (d0 * 32)>(%p)
    %xs = memref.subview %x[%r, 0, 0] [6, 58, 64] [1, 1, 1] : memref<58x58x64xf32> to memref<6x58x64xf32, strided<[3712, 64, 1], offset: ?>>
    %ws = memref.subview %w[%p, 0, 0, 0, 0] [1, 3, 3, 64, 32] [1, 1, 1, 1, 1] : memref<2x3x3x64x32xf32> to memref<3x3x64x32xf32, strided<[6144, 2048, 32, 1], offset: ?>>
    %os = memref.subview %o[%r, 0, %f] [4, 56, 32] [1, 1, 1] : memref<56x56x64xf32> to memref<4x56x32xf32, strided<[3584, 64, 1], offset: ?>>
    linalg.fill ins(%zero : f32) outs(%os : memref<4x56x32xf32, strided<[3584, 64, 1], offset: ?>>)
    linalg.generic {indexing_maps = [#x, #w, #o], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]} ins(%xs, %ws : memref<6x58x64xf32, strided<[3712, 64, 1], offset: ?>>, memref<3x3x64x32xf32, strided<[6144, 2048, 32, 1], offset: ?>>) outs(%os : memref<4x56x32xf32, strided<[3584, 64, 1], offset: ?>>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %m = arith.mulf %a, %b : f32
      %t = arith.addf %s, %m : f32
      linalg.yield %t : f32
    }
  }
  return
}
)";

static const char *depthwise = R"(
#x = affine_map<(oh, ow, c, kh, kw) -> (oh + kh, ow + kw, c)>
#w = affine_map<(oh, ow, c, kh, kw) -> (kh, kw, c)>
#o = affine_map<(oh, ow, c, kh, kw) -> (oh, ow, c)>
func.func @k(%x: memref<58x58x64xf32>, %w: memref<3x3x64xf32>, %o: memref<56x56x64xf32>) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  scf.forall (%r) = (0) to (56) step (4) {
    %xs = memref.subview %x[%r, 0, 0] [6, 58, 64] [1, 1, 1] : memref<58x58x64xf32> to memref<6x58x64xf32, strided<[3712, 64, 1], offset: ?>>
    %os = memref.subview %o[%r, 0, 0] [4, 56, 64] [1, 1, 1] : memref<56x56x64xf32> to memref<4x56x64xf32, strided<[3584, 64, 1], offset: ?>>
    linalg.fill ins(%zero : f32) outs(%os : memref<4x56x64xf32, strided<[3584, 64, 1], offset: ?>>)
    linalg.generic {indexing_maps = [#x, #w, #o], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]} ins(%xs, %w : memref<6x58x64xf32, strided<[3712, 64, 1], offset: ?>>, memref<3x3x64xf32>) outs(%os : memref<4x56x64xf32, strided<[3584, 64, 1], offset: ?>>) {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %m = arith.mulf %a, %b : f32
      %t = arith.addf %s, %m : f32
      linalg.yield %t : f32
    }
  }
  return
}
)";

// Queries in lanes, an online softmax over blocks of 64 keys.
static const char *attention = R"(
#id = affine_map<(a, b) -> (a, b)>
#lane = affine_map<(a, b) -> (b)>
#tr = affine_map<(a, b) -> (b, a)>
#row = affine_map<(a, b) -> (a)>
#v = affine_map<(a) -> (a)>
func.func @k(%q: memref<1024x64xf32>, %k: memref<1024x64xf32>, %v: memref<1024x64xf32>, %o: memref<1024x64xf32>) attributes {mercer.kernel} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c1024 = arith.constant 1024 : index
  %zero = arith.constant 0.0 : f32
  %low = arith.constant -1.0e30 : f32
  %scale = arith.constant 0.125 : f32
  scf.forall (%i) = (0) to (1024) step (64) {
    %qt = memref.alloca() : memref<64x64xf32>
    %s = memref.alloca() : memref<64x64xf32>
    %acc = memref.alloca() : memref<64x64xf32>
    %m = memref.alloca() : memref<64xf32>
    %l = memref.alloca() : memref<64xf32>
    %mx = memref.alloca() : memref<64xf32>
    %al = memref.alloca() : memref<64xf32>
    %qs = memref.subview %q[%i, 0] [64, 64] [1, 1] : memref<1024x64xf32> to memref<64x64xf32, strided<[64, 1], offset: ?>>
    linalg.generic {indexing_maps = [#tr, #id], iterator_types = ["parallel", "parallel"]} ins(%qs : memref<64x64xf32, strided<[64, 1], offset: ?>>) outs(%qt : memref<64x64xf32>) {
    ^bb0(%x: f32, %y: f32):
      %z = arith.mulf %x, %scale : f32
      linalg.yield %z : f32
    }
    linalg.fill ins(%low : f32) outs(%m : memref<64xf32>)
    linalg.fill ins(%zero : f32) outs(%l : memref<64xf32>)
    linalg.fill ins(%zero : f32) outs(%acc : memref<64x64xf32>)
    scf.for %j = %c0 to %c1024 step %c64 {
      %ks = memref.subview %k[%j, 0] [64, 64] [1, 1] : memref<1024x64xf32> to memref<64x64xf32, strided<[64, 1], offset: ?>>
      %vs = memref.subview %v[%j, 0] [64, 64] [1, 1] : memref<1024x64xf32> to memref<64x64xf32, strided<[64, 1], offset: ?>>
      linalg.fill ins(%zero : f32) outs(%s : memref<64x64xf32>)
      linalg.matmul ins(%ks, %qt : memref<64x64xf32, strided<[64, 1], offset: ?>>, memref<64x64xf32>) outs(%s : memref<64x64xf32>)
      linalg.fill ins(%low : f32) outs(%mx : memref<64xf32>)
      linalg.generic {indexing_maps = [#id, #lane], iterator_types = ["reduction", "parallel"]} ins(%s : memref<64x64xf32>) outs(%mx : memref<64xf32>) {
      ^bb0(%x: f32, %y: f32):
        %z = arith.maxnumf %x, %y fastmath<nnan> : f32
        linalg.yield %z : f32
      }
      linalg.generic {indexing_maps = [#v, #v, #v], iterator_types = ["parallel"]} ins(%mx : memref<64xf32>) outs(%al, %m : memref<64xf32>, memref<64xf32>) {
      ^bb0(%x: f32, %y: f32, %before: f32):
        %new = arith.maxnumf %before, %x fastmath<nnan> : f32
        %d = arith.subf %before, %new : f32
        %e = math.exp %d : f32
        linalg.yield %e, %new : f32, f32
      }
      linalg.generic {indexing_maps = [#v, #v], iterator_types = ["parallel"]} ins(%al : memref<64xf32>) outs(%l : memref<64xf32>) {
      ^bb0(%x: f32, %y: f32):
        %z = arith.mulf %x, %y : f32
        linalg.yield %z : f32
      }
      linalg.generic {indexing_maps = [#lane, #id, #lane], iterator_types = ["reduction", "parallel"]} ins(%m : memref<64xf32>) outs(%s, %l : memref<64x64xf32>, memref<64xf32>) {
      ^bb0(%x: f32, %y: f32, %sum: f32):
        %d = arith.subf %y, %x : f32
        %e = math.exp %d : f32
        %t = arith.addf %sum, %e : f32
        linalg.yield %e, %t : f32, f32
      }
      linalg.generic {indexing_maps = [#lane, #id], iterator_types = ["parallel", "parallel"]} ins(%al : memref<64xf32>) outs(%acc : memref<64x64xf32>) {
      ^bb0(%x: f32, %y: f32):
        %z = arith.mulf %x, %y : f32
        linalg.yield %z : f32
      }
      linalg.generic {indexing_maps = [affine_map<(d, n, j) -> (j, d)>, affine_map<(d, n, j) -> (j, n)>, affine_map<(d, n, j) -> (d, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%vs, %s : memref<64x64xf32, strided<[64, 1], offset: ?>>, memref<64x64xf32>) outs(%acc : memref<64x64xf32>) {
      ^bb0(%x: f32, %y: f32, %sum: f32):
        %p = arith.mulf %x, %y : f32
        %t = arith.addf %sum, %p : f32
        linalg.yield %t : f32
      }
    }
    %os = memref.subview %o[%i, 0] [64, 64] [1, 1] : memref<1024x64xf32> to memref<64x64xf32, strided<[64, 1], offset: ?>>
    linalg.generic {indexing_maps = [#tr, #row, #id], iterator_types = ["parallel", "parallel"]} ins(%acc, %l : memref<64x64xf32>, memref<64xf32>) outs(%os : memref<64x64xf32, strided<[64, 1], offset: ?>>) {
    ^bb0(%x: f32, %y: f32, %z: f32):
      %w = arith.divf %x, %y : f32
      linalg.yield %w : f32
    }
  }
  return
}
)";

static const char *exponential = R"(
func.func @k(%x: memref<?xf32>, %y: memref<?xf32>, %n: index) attributes {mercer.kernel} {
  scf.forall (%i) in (1) {
    linalg.generic {indexing_maps = [affine_map<(a) -> (a)>, affine_map<(a) -> (a)>], iterator_types = ["parallel"]} ins(%x : memref<?xf32>) outs(%y : memref<?xf32>) {
    ^bb0(%a: f32, %b: f32):
      %e = math.exp %a : f32
      linalg.yield %e : f32
    }
  }
  return
}
)";

static const char *layerNorm = R"(
#id = affine_map<(a, b) -> (a, b)>
#row = affine_map<(a, b) -> (a)>
#col = affine_map<(a, b) -> (b)>
func.func @k(%x: memref<?x768xf32>, %g: memref<768xf32>, %y: memref<?x768xf32>, %n: index) attributes {mercer.kernel} {
  %zero = arith.constant 0.0 : f32
  %inv = arith.constant 1.302083e-3 : f32
  %eps = arith.constant 1.0e-5 : f32
  scf.forall (%i) = (0) to (%n) step (8) {
    %ms = affine.min affine_map<(d0)[s0] -> (8, s0 - d0)>(%i)[%n]
    %sa = memref.alloca() : memref<8xf32>
    %sb = memref.alloca() : memref<8xf32>
    %s = memref.subview %sa[0] [%ms] [1] : memref<8xf32> to memref<?xf32, strided<[1]>>
    %v = memref.subview %sb[0] [%ms] [1] : memref<8xf32> to memref<?xf32, strided<[1]>>
    %xs = memref.subview %x[%i, 0] [%ms, 768] [1, 1] : memref<?x768xf32> to memref<?x768xf32, strided<[768, 1], offset: ?>>
    %ys = memref.subview %y[%i, 0] [%ms, 768] [1, 1] : memref<?x768xf32> to memref<?x768xf32, strided<[768, 1], offset: ?>>
    linalg.fill ins(%zero : f32) outs(%s : memref<?xf32, strided<[1]>>)
    linalg.fill ins(%zero : f32) outs(%v : memref<?xf32, strided<[1]>>)
    linalg.generic {indexing_maps = [#id, #row, #row], iterator_types = ["parallel", "reduction"]} ins(%xs : memref<?x768xf32, strided<[768, 1], offset: ?>>) outs(%s, %v : memref<?xf32, strided<[1]>>, memref<?xf32, strided<[1]>>) {
    ^bb0(%a: f32, %b: f32, %c: f32):
      %t = arith.addf %b, %a : f32
      %q = arith.mulf %a, %a : f32
      %u = arith.addf %c, %q : f32
      linalg.yield %t, %u : f32, f32
    }
    linalg.generic {indexing_maps = [#id, #row, #row, #col, #id], iterator_types = ["parallel", "parallel"]} ins(%xs, %s, %v, %g : memref<?x768xf32, strided<[768, 1], offset: ?>>, memref<?xf32, strided<[1]>>, memref<?xf32, strided<[1]>>, memref<768xf32>) outs(%ys : memref<?x768xf32, strided<[768, 1], offset: ?>>) {
    ^bb0(%a: f32, %sum: f32, %squares: f32, %gain: f32, %b: f32):
      %mean = arith.mulf %sum, %inv : f32
      %m2 = arith.mulf %squares, %inv : f32
      %mm = arith.mulf %mean, %mean : f32
      %var = arith.subf %m2, %mm : f32
      %ve = arith.addf %var, %eps : f32
      %r = math.rsqrt %ve : f32
      %d = arith.subf %a, %mean : f32
      %e = arith.mulf %d, %r : f32
      %z = arith.mulf %e, %gain : f32
      linalg.yield %z : f32
    }
  }
  return
}
)";

static const char *transpose = R"(
func.func @k(%x: memref<?x?xf32>, %y: memref<?x?xf32>) attributes {mercer.kernel} {
  scf.forall (%i) in (1) {
    linalg.transpose ins(%x : memref<?x?xf32>) outs(%y : memref<?x?xf32>) permutation = [1, 0]
  }
  return
}
)";

std::vector<ProbeKernel> mercer::test::probeKernels() {
  const size_t square = 512 * 512;
  return {
      {"matmul512",
       matmul,
       2.0 * 512 * 512 * 512,
       {square, square, square},
       {{}, {}, {}},
       {}},
      {"matmul-dynamic",
       matmulDynamic,
       2.0 * 512 * 512 * 528,
       {square, 11 * 512 * 48, 512 * 528},
       {{512, 512}, {11, 512}, {512, 528}},
       {512, 528, 512}},
      {"conv3x3-64@56",
       conv,
       2.0 * 9 * 64 * 64 * 56 * 56,
       {58 * 58 * 64, 2 * 9 * 64 * 32, 56 * 56 * 64},
       {{}, {}, {}},
       {}},
      {"depthwise-64@56",
       depthwise,
       2.0 * 9 * 64 * 56 * 56,
       {58 * 58 * 64, 9 * 64, 56 * 56 * 64},
       {{}, {}, {}},
       {}},
      {"attention-1024",
       attention,
       4.0 * 1024 * 1024 * 64,
       {65536, 65536, 65536, 65536},
       {{}, {}, {}, {}},
       {}},
      {"exp-4096 (Gelem)",
       exponential,
       4096,
       {4096, 4096},
       {{4096}, {4096}},
       {4096}},
      {"layernorm-64x768",
       layerNorm,
       8.0 * 64 * 768,
       {64 * 768, 768, 64 * 768},
       {{64}, {}, {64}},
       {64}},
      {"transpose-256",
       transpose,
       256.0 * 256,
       {65536, 65536},
       {{256, 256}, {256, 256}},
       {}},
  };
}
