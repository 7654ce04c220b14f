// The machine's limit for f32 products: 24 independent chains of fused
// multiply-adds that never leave registers, as many as a microkernel keeps.
// Prints GFLOP/s of about a quarter of a second. Built with -march=native.

#include <stdio.h>
#include <time.h>

#if defined(__AVX512F__)
enum { Lanes = 16, Chains = 24 };
#elif defined(__AVX2__)
enum { Lanes = 8, Chains = 12 };
#else
enum { Lanes = 4, Chains = 12 };
#endif
typedef float Vector __attribute__((vector_size(Lanes * sizeof(float))));

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static Vector chains(long steps, Vector a, Vector b) {
  Vector sums[Chains] = {0};
  for (long step = 0; step < steps; ++step)
#pragma clang loop unroll(full)
    for (int chain = 0; chain < Chains; ++chain)
      sums[chain] = sums[chain] * a + b;
  Vector total = {0};
  for (int chain = 0; chain < Chains; ++chain)
    total += sums[chain];
  return total;
}

int main(int argc, char **argv) {
  (void)argv;
  // Not known at compile time, and small enough that nothing overflows.
  Vector a = {0}, b = {0};
  for (int lane = 0; lane < Lanes; ++lane) {
    a[lane] = 0.5f * (float)argc;
    b[lane] = 0.25f * (float)argc;
  }
  long steps = 1 << 16;
  double best = 0, begin = seconds();
  float sink = 0;
  do {
    double start = seconds();
    sink += chains(steps, a, b)[0];
    double rate = 2.0 * Lanes * Chains * (double)steps / (seconds() - start);
    best = rate > best ? rate : best;
  } while (seconds() - begin < 0.25);
  printf("%.1f\n", best * 1e-9);
  return sink == 12345.0f;
}
