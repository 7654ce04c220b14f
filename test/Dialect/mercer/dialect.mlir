// The dialect is registered: an unknown op of it is an error of the dialect.
// RUN: not mercer-opt %s 2>&1 | FileCheck %s
// CHECK: custom op 'mercer.no_such_op' is unknown
mercer.no_such_op
