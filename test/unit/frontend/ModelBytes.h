//===- ModelBytes.h - writes ONNX messages byte by byte ---------*- C++ -*-===//
//
// Tests of the reader make their models here, so that they can also make
// models that no library would write.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_TEST_UNIT_FRONTEND_MODELBYTES_H
#define MERCER_TEST_UNIT_FRONTEND_MODELBYTES_H

#include <cstdint>
#include <string>
#include <vector>

namespace modelbytes {

inline std::string varint(uint64_t value) {
  std::string out;
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
  return out;
}

inline std::string number(unsigned field, int64_t value) {
  return varint(field << 3) + varint(static_cast<uint64_t>(value));
}

inline std::string bytes(unsigned field, const std::string &value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}

/// TypeProto of a tensor. Dims: a number, or a name after "@".
inline std::string tensorType(int dataType,
                              const std::vector<std::string> &dims) {
  std::string shape;
  for (const std::string &dim : dims)
    shape += bytes(1, dim[0] == '@' ? bytes(2, dim.substr(1))
                                    : number(1, std::stoll(dim)));
  return bytes(1, number(1, dataType) + bytes(2, shape));
}

inline std::string value(const std::string &name, const std::string &type) {
  return bytes(1, name) + bytes(2, type);
}

inline std::string f32Value(const std::string &name,
                            const std::vector<std::string> &dims) {
  return value(name, tensorType(1, dims));
}

inline std::string node(const std::string &opType,
                        const std::vector<std::string> &inputs,
                        const std::vector<std::string> &outputs,
                        const std::string &more = "") {
  std::string out;
  for (const std::string &input : inputs)
    out += bytes(1, input);
  for (const std::string &output : outputs)
    out += bytes(2, output);
  return out + bytes(4, opType) + more;
}

/// TensorProto with raw data.
inline std::string rawTensor(const std::string &name, int dataType,
                             const std::vector<int64_t> &dims,
                             const std::string &data) {
  std::string out;
  for (int64_t dim : dims)
    out += number(1, dim);
  return out + number(2, dataType) + bytes(8, name) + bytes(9, data);
}

struct Graph {
  std::string content;
  Graph &node(const std::string &n) { return add(1, n); }
  Graph &initializer(const std::string &t) { return add(5, t); }
  Graph &input(const std::string &v) { return add(11, v); }
  Graph &output(const std::string &v) { return add(12, v); }
  Graph &valueInfo(const std::string &v) { return add(13, v); }
  Graph &add(unsigned field, const std::string &message) {
    content += bytes(field, message);
    return *this;
  }
};

inline std::string model(const Graph &graph, const std::string &more = "",
                         int64_t opset = 17, int64_t irVersion = 8) {
  return number(1, irVersion) + bytes(7, graph.content) +
         bytes(8, number(2, opset)) + more;
}

} // namespace modelbytes

#endif // MERCER_TEST_UNIT_FRONTEND_MODELBYTES_H
