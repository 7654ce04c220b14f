// Entry point for TableGen: includes every op file of the dialect.
#ifndef MERCER_OPS_TD
#define MERCER_OPS_TD

include "dialects/mercer/IR/HostOps.td"
include "dialects/mercer/IR/KernelOps.td"
include "dialects/mercer/IR/MercerDialect.td"
include "dialects/mercer/IR/PairwiseOps.td"
include "dialects/mercer/IR/StructuralOps.td"
include "dialects/mercer/IR/SugarOps.td"

#endif
