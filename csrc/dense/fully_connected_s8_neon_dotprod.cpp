#include "dense/dense.h"

#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include "core/target.h"

EDGEFER_BEGIN_NEON_DOTPROD

namespace edgefer {
namespace {

// SDOT adds four products of signed bytes to each of four sums, wrapping. As an instruction: clang before 16 has its
// intrinsic only where the whole file is compiled for it.
int32x4_t sdot(int32x4_t sum, int8x16_t x, int8x16_t weights) {
  asm("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(x), "w"(weights));
  return sum;
}

void dot4(const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights, std::ptrdiff_t outputs,
          std::int32_t* sums) {
  const std::int8_t* rows[4];
  for (std::ptrdiff_t j = 0; j < 4; ++j) rows[j] = weights + (j < outputs ? j : outputs - 1) * inputs;
  int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;
  std::ptrdiff_t i = 0;
  for (; i + 16 <= inputs; i += 16) {
    const int8x16_t value = x ? vld1q_s8(x + i) : vdupq_n_s8(1);
    a = sdot(a, value, vld1q_s8(rows[0] + i));
    b = sdot(b, value, vld1q_s8(rows[1] + i));
    c = sdot(c, value, vld1q_s8(rows[2] + i));
    d = sdot(d, value, vld1q_s8(rows[3] + i));
  }
  vst1q_s32(sums, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
  for (int j = 0; j < 4; ++j) {
    std::int32_t rest = 0;  // of at most 15 products
    for (std::ptrdiff_t k = i; k < inputs; ++k) rest += (x ? x[k] : 1) * rows[j][k];
    sums[j] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[j]) + static_cast<std::uint32_t>(rest));
  }
}

}  // namespace

void fully_connected_s8_neon_dotprod(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                                     const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                                     const Requantisation& requantisation, std::int8_t* y) {
  fully_connected_s8_by(&dot4, x, batch, inputs, weights, bias, outputs, requantisation, y);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
