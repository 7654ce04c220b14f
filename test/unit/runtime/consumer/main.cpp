// Runs a model of one float32 input [N, 4]; ends with 0 if that works.
#include <mercer/abi.h>
#include <mercer/mercer.hpp>

int main(int argc, char **argv) {
  auto context = mercer::Context::create();
  if (!context || argc < 2)
    return 2;
  auto model = context->load(argv[1]);
  if (!model)
    return 3;
  std::vector<float> x(4, 1.0f), y(4);
  if (!context->runInto(*model, {{x.data(), {1, 4}}}, {{y.data(), {1, 4}}}))
    return 4;
  return y == std::vector<float>{1.5f, 2.25f, 3, 3} ? 0 : 1;
}
