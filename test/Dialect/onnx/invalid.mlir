// RUN: mercer-opt %s -split-input-file -verify-diagnostics

func.func @default_domain_is_empty(%x: tensor<f32>) {
  // expected-error @+1 {{expects the default domain to be written "", got "ai.onnx"}}
  onnx.node "Neg"(%x) domain "ai.onnx" opset 17 : (tensor<f32>) -> tensor<f32>
  return
}

// -----

func.func @subgraph_without_yield(%c: tensor<i1>) {
  // expected-error @+1 {{expects each subgraph to end with onnx.yield}}
  onnx.node "If"(%c) opset 17 graphs("then_branch" {
    %n = onnx.none
  }) : (tensor<i1>) -> ()
  return
}

// -----

func.func @no_operator_name(%x: tensor<f32>) {
  // expected-error @+1 {{expects a non-empty operator name}}
  onnx.node ""(%x) opset 17 : (tensor<f32>) -> tensor<f32>
  return
}

// -----

func.func @names_and_regions() {
  // expected-error @+1 {{expects one name per subgraph, got 2 names for 0 subgraphs}}
  "onnx.node"() <{op_type = "If", domain = "", opset = 17 : i64, node_attributes = {}, subgraph_names = ["a", "b"]}> : () -> ()
  return
}
