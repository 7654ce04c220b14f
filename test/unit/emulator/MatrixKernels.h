//===- MatrixKernels.h - a tiled product on matrix units --------*- C++ -*-===//
#ifndef MERCER_TEST_UNIT_EMULATOR_MATRIXKERNELS_H
#define MERCER_TEST_UNIT_EMULATOR_MATRIXKERNELS_H

#include "test/unit/emulator/EmulatedKernel.h"

namespace mercer::test {

/// What may be left out of the product, or done wrong.
struct ProductOptions {
  bool waits = true; ///< for the copies of the tiles
  bool barrierAfterWait = true;
  bool barrierAfterUse = true;
  std::string attributes;
};

/// c[m, n] = a[m, k] * b[k, n] in f16 with f32 sums: tiles of 32 x 16 by two
/// warps, steps of 16 along k, copied asynchronously one step ahead into two
/// stages, read by ldmatrix, multiplied by mma.sync.
inline std::string productText(const ProductOptions &options = {}) {
  std::string body = R"(
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %c4 = arith.constant 4 : index
      %c8 = arith.constant 8 : index
      %c16 = arith.constant 16 : index
      %c32 = arith.constant 32 : index
      %c256 = arith.constant 256 : index
      %c512 = arith.constant 512 : index
      %zero = arith.constant dense<0.0> : vector<2x2xf32>
      %across = arith.divui %n, %c16 : index
      %ti = arith.divui %t, %across : index
      %tj = arith.remui %t, %across : index
      %i0 = arith.muli %ti, %c32 : index
      %j0 = arith.muli %tj, %c16 : index
      %steps = arith.divui %k, %c16 : index
      // Chunks of eight elements: row lane / 2, column 8 * (lane % 2).
      %chunkRow = arith.divui %lane, %c2 : index
      %chunkHalf = arith.remui %lane, %c2 : index
      %chunkColumn = arith.muli %chunkHalf, %c8 : index
      %copiesB = arith.cmpi ult, %lane, %c32 : index
      %aRow = arith.addi %i0, %chunkRow : index
      %aStart0 = arith.muli %aRow, %k : index
      %aStart = arith.addi %aStart0, %chunkColumn : index
      %bColumn = arith.addi %j0, %chunkColumn : index
      %inTile0 = arith.muli %chunkRow, %c16 : index
      %inTile = arith.addi %inTile0, %chunkColumn : index
      %first = nvgpu.device_async_copy %a[%aStart], %sa[%inTile], 8 : memref<?xf16, #global> to memref<1024xf16, #shared>
      scf.if %copiesB {
        %row = arith.muli %chunkRow, %n : index
        %from = arith.addi %row, %bColumn : index
        %copy = nvgpu.device_async_copy %b[%from], %sb[%inTile], 8 : memref<?xf16, #global> to memref<512xf16, #shared>
      }
      %firstGroup = nvgpu.device_async_create_group %first
      %warp = arith.divui %lane, %c32 : index
      %inWarp = arith.remui %lane, %c32 : index
      %lowRow = arith.remui %inWarp, %c16 : index
      %half = arith.divui %inWarp, %c16 : index
      %halfColumn = arith.muli %half, %c8 : index
      %warpRow = arith.muli %warp, %c16 : index
      %matrixRow = arith.addi %warpRow, %lowRow : index
      %matrixRowStart = arith.muli %matrixRow, %c16 : index
      %aMatrix = arith.addi %matrixRowStart, %halfColumn : index
      %bMatrix = arith.muli %lowRow, %c16 : index
      %r:3 = scf.for %step = %c0 to %steps step %c1 iter_args(%d0 = %zero, %d1 = %zero, %group = %firstGroup)
          -> (vector<2x2xf32>, vector<2x2xf32>, !nvgpu.device.async.token) {
        %next = arith.addi %step, %c1 : index
        %more = arith.cmpi ult, %next, %steps : index
        %nextStage = arith.remui %next, %c2 : index
        %stage = arith.remui %step, %c2 : index
        scf.if %more {
          %column = arith.muli %next, %c16 : index
          %fromA = arith.addi %aStart, %column : index
          %stageA = arith.muli %nextStage, %c512 : index
          %toA = arith.addi %stageA, %inTile : index
          %copyA = nvgpu.device_async_copy %a[%fromA], %sa[%toA], 8 : memref<?xf16, #global> to memref<1024xf16, #shared>
          scf.if %copiesB {
            %kRow = arith.addi %column, %chunkRow : index
            %row = arith.muli %kRow, %n : index
            %fromB = arith.addi %row, %bColumn : index
            %stageB = arith.muli %nextStage, %c256 : index
            %toB = arith.addi %stageB, %inTile : index
            %copyB = nvgpu.device_async_copy %b[%fromB], %sb[%toB], 8 : memref<?xf16, #global> to memref<512xf16, #shared>
          }
        }
        %nextGroup = nvgpu.device_async_create_group
)";
  if (options.waits)
    body += "        nvgpu.device_async_wait %group {numGroups = 1 : i32}\n";
  if (options.barrierAfterWait)
    body += "        gpu.barrier\n";
  body += R"(
        %stageOfA = arith.muli %stage, %c512 : index
        %atA = arith.addi %stageOfA, %aMatrix : index
        %fa = nvgpu.ldmatrix %sa[%atA] {numTiles = 4 : i32, transpose = false} : memref<1024xf16, #shared> -> vector<4x2xf16>
        %stageOfB = arith.muli %stage, %c256 : index
        %atB0 = arith.addi %stageOfB, %bMatrix : index
        %atB1 = arith.addi %atB0, %c8 : index
        %fb0 = nvgpu.ldmatrix %sb[%atB0] {numTiles = 2 : i32, transpose = true} : memref<512xf16, #shared> -> vector<2x2xf16>
        %fb1 = nvgpu.ldmatrix %sb[%atB1] {numTiles = 2 : i32, transpose = true} : memref<512xf16, #shared> -> vector<2x2xf16>
        %n0 = nvgpu.mma.sync (%fa, %fb0, %d0) {mmaShape = [16, 8, 16]} : (vector<4x2xf16>, vector<2x2xf16>, vector<2x2xf32>) -> vector<2x2xf32>
        %n1 = nvgpu.mma.sync (%fa, %fb1, %d1) {mmaShape = [16, 8, 16]} : (vector<4x2xf16>, vector<2x2xf16>, vector<2x2xf32>) -> vector<2x2xf32>
)";
  if (options.barrierAfterUse)
    body += "        gpu.barrier\n";
  body += R"(
        scf.yield %n0, %n1, %nextGroup : vector<2x2xf32>, vector<2x2xf32>, !nvgpu.device.async.token
      }
      %g = arith.divui %inWarp, %c4 : index
      %t4 = arith.remui %inWarp, %c4 : index
      %t8 = arith.muli %t4, %c2 : index
      %cRow0 = arith.addi %i0, %warpRow : index
      %cRow = arith.addi %cRow0, %g : index
      %cColumn = arith.addi %j0, %t8 : index
      %cStart = arith.muli %cRow, %n : index
      %at00 = arith.addi %cStart, %cColumn : index
      %at01 = arith.addi %at00, %c8 : index
      %down = arith.muli %n, %c8 : index
      %at10 = arith.addi %at00, %down : index
      %at11 = arith.addi %at01, %down : index
      %r00 = vector.extract %r#0[0] : vector<2xf32> from vector<2x2xf32>
      %r10 = vector.extract %r#0[1] : vector<2xf32> from vector<2x2xf32>
      %r01 = vector.extract %r#1[0] : vector<2xf32> from vector<2x2xf32>
      %r11 = vector.extract %r#1[1] : vector<2xf32> from vector<2x2xf32>
      vector.store %r00, %c[%at00] {alignment = 8 : i64} : memref<?xf32, #global>, vector<2xf32>
      vector.store %r10, %c[%at10] {alignment = 8 : i64} : memref<?xf32, #global>, vector<2xf32>
      vector.store %r01, %c[%at01] {alignment = 8 : i64} : memref<?xf32, #global>, vector<2xf32>
      vector.store %r11, %c[%at11] {alignment = 8 : i64} : memref<?xf32, #global>, vector<2xf32>
)";
  return kernelText(
      R"(
    %a: memref<?xf16, #global> {mercer.elements = [1, 2, 3]}, %m: index, %k: index,
    %b: memref<?xf16, #global> {mercer.elements = [1, 5, 6]}, %kb: index, %n: index,
    %c: memref<?xf32, #global> {mercer.elements = [1, 8, 9], mercer.written}, %mc: index, %nc: index)",
      "%sa : memref<1024xf16, #shared> {llvm.align = 16 : i64}, "
      "%sb : memref<512xf16, #shared> {llvm.align = 16 : i64}",
      64, body, options.attributes);
}

} // namespace mercer::test

#endif
