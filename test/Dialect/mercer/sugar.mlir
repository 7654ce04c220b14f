// RUN: mercer-opt %s | mercer-opt | FileCheck %s

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<2x8x?x64xf32>, %k: tensor<2x8x?x64xf32>, %v: tensor<2x8x?x64xf32>, %init: tensor<2x8x?x64xf32>) -> tensor<2x8x?x64xf32> {
  // CHECK: mercer.attention query(%{{.*}} : tensor<2x8x?x64xf32>) key(%{{.*}} : tensor<2x8x?x64xf32>) value(%{{.*}} : tensor<2x8x?x64xf32>) outs(%{{.*}} : tensor<2x8x?x64xf32>) {causal} -> tensor<2x8x?x64xf32>
  %o = mercer.attention query(%q : tensor<2x8x?x64xf32>)
      key(%k : tensor<2x8x?x64xf32>) value(%v : tensor<2x8x?x64xf32>)
      outs(%init : tensor<2x8x?x64xf32>) {causal} -> tensor<2x8x?x64xf32>
  return %o : tensor<2x8x?x64xf32>
}

// CHECK-LABEL: func @attention_all
func.func @attention_all(%q: tensor<2x8x?x64xf16>, %k: tensor<2x2x?x64xf16>, %v: tensor<2x2x?x32xf16>, %m: tensor<1x?x?xi8>,
                         %n: tensor<2xi64>, %past: index, %init: tensor<2x8x?x32xf16>) -> tensor<2x8x?x32xf16> {
  // CHECK: mask(%{{.*}} : tensor<1x?x?xi8>) key_lengths(%{{.*}} : tensor<2xi64>) query_offset(%{{.*}}) outs
  // CHECK-SAME: softcap = 5.000000e+01 : f64
  %o = mercer.attention query(%q : tensor<2x8x?x64xf16>) key(%k : tensor<2x2x?x64xf16>) value(%v : tensor<2x2x?x32xf16>)
      mask(%m : tensor<1x?x?xi8>) key_lengths(%n : tensor<2xi64>) query_offset(%past)
      outs(%init : tensor<2x8x?x32xf16>)
      {causal, scale = 0.1 : f64, softcap = 50.0 : f64, window_left = 128 : i64, zero_empty_rows} -> tensor<2x8x?x32xf16>
  return %o : tensor<2x8x?x32xf16>
}

// CHECK-LABEL: func @conv
func.func @conv(%x: tensor<1x3x224x224xf32>, %w: tensor<64x3x7x7xf32>, %b: tensor<64xf32>, %init: tensor<1x64x112x112xf32>) -> tensor<1x64x112x112xf32> {
  // CHECK: mercer.conv ins(%{{.*}}, %{{.*}} : tensor<1x3x224x224xf32>, tensor<64x3x7x7xf32>) bias(%{{.*}} : tensor<64xf32>) outs(%{{.*}} : tensor<1x64x112x112xf32>) {pads = array<i64: 3, 3, 3, 3>, strides = array<i64: 2, 2>} -> tensor<1x64x112x112xf32>
  %y = mercer.conv ins(%x, %w : tensor<1x3x224x224xf32>, tensor<64x3x7x7xf32>)
      bias(%b : tensor<64xf32>) outs(%init : tensor<1x64x112x112xf32>)
      {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>}
      -> tensor<1x64x112x112xf32>
  return %y : tensor<1x64x112x112xf32>
}

// CHECK-LABEL: func @conv_transposed_nhwc
func.func @conv_transposed_nhwc(%x: tensor<1x5x4xf32>, %w: tensor<4x6x2xf32>, %init: tensor<1x10x6xf32>) -> tensor<1x10x6xf32> {
  // CHECK: layout nhwc {strides = array<i64: 2>, transposed}
  %y = mercer.conv ins(%x, %w : tensor<1x5x4xf32>, tensor<4x6x2xf32>) outs(%init : tensor<1x10x6xf32>)
      layout nhwc {strides = array<i64: 2>, transposed} -> tensor<1x10x6xf32>
  return %y : tensor<1x10x6xf32>
}

// CHECK-LABEL: func @gram
func.func @gram(%x: tensor<?x3xf32>, %y: tensor<?x3xf32>, %init: tensor<?x?xf32>) -> tensor<?x?xf32> {
  // CHECK: mercer.gram gaussian ins(%{{.*}}, %{{.*}} : tensor<?x3xf32>, tensor<?x3xf32>) outs(%{{.*}} : tensor<?x?xf32>) {gamma = 5.000000e-01 : f64} -> tensor<?x?xf32>
  %g = mercer.gram gaussian ins(%x, %y : tensor<?x3xf32>, tensor<?x3xf32>)
      outs(%init : tensor<?x?xf32>) {gamma = 5.000000e-01 : f64} -> tensor<?x?xf32>
  return %g : tensor<?x?xf32>
}

// CHECK-LABEL: func @kernel_matvec
func.func @kernel_matvec(%x: tensor<?x3xf32>, %y: tensor<?x3xf32>, %v: tensor<?xf32>, %init: tensor<?xf32>) -> tensor<?xf32> {
  // CHECK: mercer.kernel_matvec gaussian ins
  %o = mercer.kernel_matvec gaussian
      ins(%x, %y, %v : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?xf32>)
      outs(%init : tensor<?xf32>) {gamma = 5.000000e-01 : f64} -> tensor<?xf32>
  // CHECK: mercer.kernel_matvec matern32 ins
  // CHECK-SAME: algorithm direct
  %p = mercer.kernel_matvec matern32
      ins(%x, %y, %v : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?xf32>)
      outs(%init : tensor<?xf32>) algorithm direct -> tensor<?xf32>
  return %o : tensor<?xf32>
}
