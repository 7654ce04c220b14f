//===- RuntimeObject.cpp - the emulator's runtime, as bytes ---------------===//

#include "backends/emulator/Emulator.h"

// The build gives MERCER_EMULATOR_OBJECT, the path of the object file.
__asm__(".pushsection .rodata\n"
        ".p2align 4\n"
        ".hidden mercer_emulator_object_begin\n"
        ".globl mercer_emulator_object_begin\n"
        "mercer_emulator_object_begin:\n"
        ".incbin \"" MERCER_EMULATOR_OBJECT "\"\n"
        ".hidden mercer_emulator_object_end\n"
        ".globl mercer_emulator_object_end\n"
        "mercer_emulator_object_end:\n"
        ".popsection\n");

extern "C" const char mercer_emulator_object_begin[];
extern "C" const char mercer_emulator_object_end[];

llvm::StringRef mercer::emulatorRuntimeObject() {
  return {mercer_emulator_object_begin,
          static_cast<size_t>(mercer_emulator_object_end -
                              mercer_emulator_object_begin)};
}
