//===- Passes.td - passes of the SPIR-V backend ------------*- tablegen -*-===//
#ifndef MERCER_BACKENDS_SPIRV_PASSES
#define MERCER_BACKENDS_SPIRV_PASSES

include "mlir/Pass/PassBase.td"

def ConvertToSpirv : Pass<"mercer-convert-to-spirv", "::mlir::ModuleOp"> {
  let summary = "Turn distributed kernels into spirv.modules for Vulkan";
  let description = [{
    Each kernel of each gpu.module becomes one spirv.module, in one walk.
    Buffers become storage buffers of set 0 in the order of the arguments; the
    number of tiles, the first element of each buffer, dynamic sizes and scalars
    become the words of one parameter block. Vectors become scalars, except
    aligned accesses of storage buffers, which are one access of 32-bit words.
    `index` is i32; i8, i16, f16 and bf16 are i32 in registers, with unspecified
    upper bits, so that a device needs no narrow arithmetic. Facts that a
    manifest needs are left as attributes of the spirv.module.

    ```mlir
    // before
    gpu.module @m {
      gpu.func @k(%tiles: index, %x: memref<?xf32, #gpu.address_space<global>>
          {mercer.elements = [64]}) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
        %i = gpu.thread_id x
        %v = memref.load %x[%i] : memref<?xf32, #gpu.address_space<global>>
        ...
    // after
    spirv.module Logical GLSL450 requires #spirv.vce<v1.3, [Shader], []>
        attributes {mercer.params = ["buffer 4 x 64"], mercer.threads = 64 : i64, ...} {
      spirv.GlobalVariable @buffer0 bind(0, 0) {non_writable} : ...
      spirv.GlobalVariable @block : !spirv.ptr<!spirv.struct<(!spirv.array<2 x i32, stride=4> [0])>, PushConstant>
      spirv.func @k() "None" {
        ...
        %p = spirv.AccessChain %buffer0[%zero, %first_plus_i]
        %v = spirv.Load "StorageBuffer" %p : f32
    ```
  }];
  let options = [
    Option<"binary", "binary", "std::string", /*default=*/"",
           "folder in which the SPIR-V of each kernel is written as NAME.spv">
  ];
  let dependentDialects = ["::mlir::spirv::SPIRVDialect"];
}

#endif
