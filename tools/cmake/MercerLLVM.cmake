# Finds MLIR/LLVM and defines the helpers that every compiler directory uses.
# The version file wants an equal major.minor, and Debian's MLIRConfig does not
# set MLIR_LINK_MLIR_DYLIB although it ships the shared library.
find_package(MLIR 22.1 REQUIRED CONFIG)
set(MLIR_LINK_MLIR_DYLIB ON)
set(LLVM_RUNTIME_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/bin)
set(LLVM_LIBRARY_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/lib)
set(MLIR_BINARY_DIR ${CMAKE_BINARY_DIR})
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
# HandleLLVMOptions would also switch off warnings that we want; of its flags
# only these two are part of the ABI.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
separate_arguments(MERCER_LLVM_DEFS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${MERCER_LLVM_DEFS})
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})

# One precompiled header for all compiler sources: MLIR's headers are most of a
# source's compile time (7 s against 2.5 s with it).
file(WRITE ${CMAKE_BINARY_DIR}/mercer_pch.cpp "")
add_library(mercer_pch OBJECT ${CMAKE_BINARY_DIR}/mercer_pch.cpp)
target_precompile_headers(mercer_pch PRIVATE ${CMAKE_SOURCE_DIR}/tools/cmake/Pch.h)
# Lets ccache share objects between checkouts: no time stamps inside the
# header, no absolute path of it on the command line, and a checksum file that
# stands for its content (system headers of one LLVM version, one set of flags).
add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,Clang>:SHELL:-Xclang -fno-pch-timestamp>")
set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -Xclang -include-pch -Xclang <PCH_FILE>)
file(SHA256 ${CMAKE_SOURCE_DIR}/tools/cmake/Pch.h MERCER_PCH_SUM)
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/CMakeFiles/mercer_pch.dir/cmake_pch.hxx.pch.sum
     CONTENT "${MERCER_PCH_SUM} LLVM ${LLVM_PACKAGE_VERSION}")

# mercer_tablegen(TARGET td-file out1 gen-flags1 [out2 gen-flags2 ...])
# Generates files beside the td file's place in the build tree.
function(mercer_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(args ${ARGN})
  while(args)
    list(POP_FRONT args out flags)
    separate_arguments(flags NATIVE_COMMAND "${flags}")
    mlir_tablegen(${out} ${flags} -I${CMAKE_SOURCE_DIR})
  endwhile()
  add_public_tablegen_target(${target})
  set_property(GLOBAL APPEND PROPERTY MERCER_TABLEGEN_TARGETS ${target})
endfunction()

# mercer_library(NAME SOURCES ... [LINK ...] [DEPENDS ...])
function(mercer_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_precompile_headers(${name} REUSE_FROM mercer_pch)
  target_link_libraries(${name} PUBLIC ${ARG_LINK} MLIR LLVM)
  get_property(gen GLOBAL PROPERTY MERCER_TABLEGEN_TARGETS)
  add_dependencies(${name} mercer_pch ${gen} ${ARG_DEPENDS})
endfunction()

# mercer_tool(NAME SOURCES ... [LINK ...])
function(mercer_tool name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_precompile_headers(${name} REUSE_FROM mercer_pch)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} MLIR LLVM)
  get_property(gen GLOBAL PROPERTY MERCER_TABLEGEN_TARGETS)
  add_dependencies(${name} mercer_pch ${gen})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
