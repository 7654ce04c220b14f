// RUN: split-file %s %t
// RUN: mercerc %t/product.mlir -o - --target=cuda --to-stage=distribute | FileCheck %s --check-prefix=PRODUCT
// RUN: mercerc %t/product.mlir -o - --target=vulkan --to-stage=distribute | FileCheck %s --check-prefix=BLOCKS
// RUN: mercerc %t/single.mlir -o - --target=cuda --to-stage=distribute | FileCheck %s --check-prefix=IEEE
// RUN: mercerc %t/single.mlir -o - --target=cuda --precision=tf32 --to-stage=distribute | FileCheck %s --check-prefix=TF32
// RUN: mercerc %t/attention.mlir -o - --target=cuda --to-stage=distribute | FileCheck %s --check-prefix=ATTENTION
// RUN: mercerc %t/odd.mlir -o - --target=cuda --to-stage=distribute | FileCheck %s --check-prefix=ODD
// RUN: mercerc %t/shifted.mlir -o - --target=cuda --to-stage=distribute | FileCheck %s --check-prefix=SHIFTED

// Slices of both operands run ahead of the product by two, through three
// buffers; a barrier lies between the wait and the first matrix load.
// PRODUCT: nvgpu.device_async_copy
// PRODUCT: nvgpu.device_async_create_group
// PRODUCT: scf.for
// PRODUCT: nvgpu.device_async_wait %{{.*}} {numGroups = 1 : i32}
// PRODUCT: gpu.barrier
// PRODUCT: nvgpu.device_async_copy
// PRODUCT: nvgpu.device_async_create_group
// PRODUCT: nvgpu.ldmatrix {{.*}} {numTiles = 4 : i32, transpose = false}
// PRODUCT: nvgpu.ldmatrix {{.*}} {numTiles = 4 : i32, transpose = true}
// PRODUCT: nvgpu.mma.sync{{.*}} {mmaShape = [16, 8, 16]}
// PRODUCT: nvgpu.device_async_wait %{{.*}} {numGroups = 0 : i32}

// A target without matrix units multiplies in register blocks.
// BLOCKS-NOT: nvgpu
// BLOCKS: vector.load %{{.*}} vector<4xf16>

//--- product.mlir
func.func @main(%a: tensor<256x512xf16>, %b: tensor<512x256xf16>) -> tensor<256x256xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<256x256xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<256x256xf32>) -> tensor<256x256xf32>
  %c = linalg.matmul ins(%a, %b : tensor<256x512xf16>, tensor<512x256xf16>) outs(%f : tensor<256x256xf32>) -> tensor<256x256xf32>
  return %c : tensor<256x256xf32>
}

// Products of singles are exact unless the user lets them be rounded.
// IEEE-NOT: nvgpu.mma.sync
// IEEE: math.fma
// TF32: nvgpu.mma.sync{{.*}} {mmaShape = [16, 8, 8], tf32Enabled}

//--- single.mlir
func.func @main(%a: tensor<256x512xf32>, %b: tensor<512x256xf32>) -> tensor<256x256xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<256x256xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<256x256xf32>) -> tensor<256x256xf32>
  %c = linalg.matmul ins(%a, %b : tensor<256x512xf32>, tensor<512x256xf32>) outs(%f : tensor<256x256xf32>) -> tensor<256x256xf32>
  return %c : tensor<256x256xf32>
}

// Scores, maxima, sums and the result stay in registers while keys stream by.
// The probabilities are the left operand of the second product as they lie: no
// scores are stored.
// ATTENTION: scf.for
// ATTENTION: nvgpu.mma.sync
// ATTENTION-NOT: memref.store {{.*}}workgroup
// ATTENTION: gpu.shuffle xor
// ATTENTION-NOT: memref.store {{.*}}workgroup
// ATTENTION: arith.truncf
// ATTENTION-NOT: memref.store {{.*}}workgroup
// ATTENTION: nvgpu.mma.sync
// ATTENTION: memref.store {{.*}}global

//--- attention.mlir
func.func @main(%q: tensor<1x8x256x64xf16>, %k: tensor<1x8x?x64xf16>, %v: tensor<1x8x?x64xf16>) -> tensor<1x8x256x64xf16> {
  %init = tensor.empty() : tensor<1x8x256x64xf16>
  %o = mercer.attention query(%q : tensor<1x8x256x64xf16>)
      key(%k : tensor<1x8x?x64xf16>) value(%v : tensor<1x8x?x64xf16>)
      outs(%init : tensor<1x8x256x64xf16>) -> tensor<1x8x256x64xf16>
  return %o : tensor<1x8x256x64xf16>
}

// Rows that do not start at multiples of 16 bytes are copied element by element.
// ODD-NOT: nvgpu.device_async_copy
// ODD: nvgpu.mma.sync

//--- odd.mlir
func.func @main(%a: tensor<256x511xf16>, %b: tensor<511x257xf16>) -> tensor<256x257xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<256x257xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<256x257xf32>) -> tensor<256x257xf32>
  %c = linalg.matmul ins(%a, %b : tensor<256x511xf16>, tensor<511x257xf16>) outs(%f : tensor<256x257xf32>) -> tensor<256x257xf32>
  return %c : tensor<256x257xf32>
}

// A launch on a part of a tensor that starts between two multiples of 16 bytes:
// only the other operand is copied asynchronously.
// SHIFTED-NOT: nvgpu.device_async_copy %arg1
// SHIFTED: nvgpu.device_async_copy %arg2
// SHIFTED-NOT: nvgpu.device_async_copy %arg1
// SHIFTED: gpu.return

//--- shifted.mlir
func.func @main(%x: tensor<131073xf16>, %b: tensor<512x256xf16>) -> tensor<256x256xf32> {
  %z = arith.constant 0.0 : f32
  %part = tensor.extract_slice %x[1] [131072] [1] : tensor<131073xf16> to tensor<131072xf16>
  %a = tensor.expand_shape %part [[0, 1]] output_shape [256, 512] : tensor<131072xf16> into tensor<256x512xf16>
  %e = tensor.empty() : tensor<256x256xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<256x256xf32>) -> tensor<256x256xf32>
  %c = linalg.matmul ins(%a, %b : tensor<256x512xf16>, tensor<512x256xf16>) outs(%f : tensor<256x256xf32>) -> tensor<256x256xf32>
  return %c : tensor<256x256xf32>
}
