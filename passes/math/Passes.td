//===- Passes.td - math functions as arithmetic ------------*- tablegen -*-===//
#ifndef MERCER_PASSES_MATH_PASSES
#define MERCER_PASSES_MATH_PASSES

include "mlir/Pass/PassBase.td"

def ExpandMath : Pass<"mercer-expand-math"> {
  let summary = "Write math functions and narrow floats as plain arithmetic";
  let description = [{
    Elementary functions become polynomials in arith, on scalars or vectors, of
    f32 and f64; f16 and bf16 are computed in f32. Nothing that a run-time
    library would have to supply is left: of the math dialect only fma (where
    the target has it), sqrt, absf, floor, ceil, trunc, roundeven and copysign,
    and counts of bits. Errors are listed in docs/backends-cpu.md. Runs on any
    operation that holds code: functions, GPU kernels, modules.

    ```mlir
    // before
    %y = math.rsqrt %x : f32
    // after
    %one = arith.constant 1.0 : f32
    %root = math.sqrt %x : f32
    %y = arith.divf %one, %root : f32
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::LLVM::LLVMDialect"
  ];
}

#endif
