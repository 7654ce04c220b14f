// Every kind of output.

// RUN: mercerc %s -o - --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: mercerc %s -o - --emit=asm | FileCheck %s --check-prefix=ASM
// RUN: mercerc %s -o - --emit=mlir --to-stage=layout | FileCheck %s --check-prefix=LAYOUT
// RUN: mercerc %s -o - --to-stage=bufferize | FileCheck %s --check-prefix=BUFFERIZE
// RUN: mercerc %s -o %t.o --emit=obj && llvm-nm %t.o | FileCheck %s --check-prefix=OBJ

// LLVM: @mercer_module = 
// LLVM: define {{.*}} @main(ptr
// ASM: .globl{{[[:space:]]+}}mercer_module
// LAYOUT: mercer.kernel
// BUFFERIZE: mercer.launch
// OBJ: mercer_module

func.func @main(%x: tensor<?xf32> {mercer.name = "x"}) -> (tensor<?xf32> {mercer.name = "y"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %y = linalg.exp ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
