// Entry point for TableGen: includes every op file of the dialect.
#ifndef MERCER_OPS_TD
#define MERCER_OPS_TD

include "dialects/mercer/IR/MercerDialect.td"
include "dialects/mercer/IR/HostOps.td"

#endif
