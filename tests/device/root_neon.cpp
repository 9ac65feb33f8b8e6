// The square root inside corners/shi_tomasi_neon.cpp against fsqrt, for every float of two binades: they stand for all,
// as a factor of four in x is a factor of two in the root and in all that leads to it. And for zero.
#include <cmath>
#include <cstdio>

#include "../../csrc/corners/shi_tomasi_neon.cpp"

namespace {

using namespace edgefer;

// `scale` is a power of four; x runs from it to four times it.
long wrong_roots(float scale) {
  long wrong = 0;
  for (float x[4] = {1.0f}; x[0] < 4.0f;) {
    float roots[4], found[4];
    for (int i = 1; i < 4; ++i) x[i] = std::nextafter(x[i - 1], 8.0f);
    for (int i = 0; i < 4; ++i) roots[i] = std::sqrt(x[i] * scale);
    const float32x4_t square = vmulq_n_f32(vld1q_f32(x), scale), root = vld1q_f32(roots);
    // What is left of twice the root is the root, exactly if it was the right one.
    vst1q_f32(found, lambda_min(with_inverse(vaddq_f32(root, root), square), 1.0f));
    for (int i = 0; i < 4; ++i) wrong += found[i] != roots[i];
    x[0] = std::nextafter(x[3], 8.0f);
  }
  return wrong;
}

}  // namespace

int main() {
  const float least = 1.0f, most = 1099511627776.0f;  // the squares go up to 2^47
  long wrong = wrong_roots(least) + wrong_roots(most);
  float zero[4];
  vst1q_f32(zero, lambda_min(with_inverse(vdupq_n_f32(5.0f), vdupq_n_f32(0.0f)), 1.0f));
  for (const float score : zero) wrong += score != 5.0f;
  std::printf("roots: %ld of 33554432 differ from fsqrt\n", wrong);
  return wrong != 0;
}
