#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include <algorithm>  // min
#include <cstring>    // memcpy

#include "core/target.h"
#include "dense/dense.h"

namespace edgefer {
namespace {

// `rows` samples by `panels` panels of eight outputs, their sums in registers: eight or more of them hide the latency
// of the additions. Products and sums are rounded separately, in the order of the inputs, as in the scalar loop.
EDGEFER_ALWAYS_INLINE void block(int rows, int panels, const float* x, std::ptrdiff_t inputs, const float* weights,
                                 const float* bias, float32x4_t* sums) {
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < 2 * panels; ++p) sums[r * 2 * panels + p] = vld1q_f32(bias + p * 4);
  for (std::ptrdiff_t i = 0; i < inputs; ++i, weights += panel) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const float value = x[r * inputs + i];
#pragma GCC unroll 8
      for (int p = 0; p < 2 * panels; ++p) {
        float32x4_t& sum = sums[r * 2 * panels + p];
        sum = vaddq_f32(sum, vmulq_n_f32(vld1q_f32(weights + p / 2 * inputs * panel + p % 2 * 4), value));
      }
    }
  }
}

EDGEFER_ALWAYS_INLINE void some_rows(int rows, int panels, const float* x, std::ptrdiff_t inputs, const float* packed,
                                     const float* bias, std::ptrdiff_t outputs, float* y) {
  float32x4_t sums[8];
  std::ptrdiff_t o = 0;
  for (; o + panels * panel <= outputs; o += panels * panel) {
    block(rows, panels, x, inputs, packed + o * inputs, bias + o, sums);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
      for (int p = 0; p < 2 * panels; ++p) vst1q_f32(y + r * outputs + o + p * 4, sums[r * 2 * panels + p]);
  }
  for (; o < outputs; o += panel) {
    block(rows, 1, x, inputs, packed + o * inputs, bias + o, sums);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      float eight[panel];
      vst1q_f32(eight, sums[2 * r]);
      vst1q_f32(eight + 4, sums[2 * r + 1]);
      std::memcpy(y + r * outputs + o, eight, static_cast<std::size_t>(std::min(panel, outputs - o)) * sizeof(float));
    }
  }
}

}  // namespace

void fully_connected_f32_neon(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y) {
  std::ptrdiff_t n = 0;
  for (; n + 4 <= batch; n += 4) some_rows(4, 1, x + n * inputs, inputs, packed, bias, outputs, y + n * outputs);
  for (; n < batch; ++n) some_rows(1, 4, x + n * inputs, inputs, packed, bias, outputs, y + n * outputs);
}

namespace {

// A product fits 16 bits: 128 * 128 = 2^14. Neighbours are added into 32.
int32x4_t add_products(int32x4_t sum, int8x16_t x, int8x16_t weights) {
  sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(x), vget_low_s8(weights)));
  return vpadalq_s16(sum, vmull_high_s8(x, weights));
}

void dot4(const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights, std::ptrdiff_t outputs,
          std::int32_t* sums) {
  const std::int8_t* rows[4];
  for (std::ptrdiff_t j = 0; j < 4; ++j) rows[j] = weights + std::min(j, outputs - 1) * inputs;
  int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;
  std::ptrdiff_t i = 0;
  for (; i + 16 <= inputs; i += 16) {
    const int8x16_t value = x ? vld1q_s8(x + i) : vdupq_n_s8(1);
    a = add_products(a, value, vld1q_s8(rows[0] + i));
    b = add_products(b, value, vld1q_s8(rows[1] + i));
    c = add_products(c, value, vld1q_s8(rows[2] + i));
    d = add_products(d, value, vld1q_s8(rows[3] + i));
  }
  vst1q_s32(sums, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
  for (int j = 0; j < 4; ++j) {
    std::int32_t rest = 0;  // of at most 15 products
    for (std::ptrdiff_t k = i; k < inputs; ++k) rest += (x ? x[k] : 1) * rows[j][k];
    sums[j] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[j]) + static_cast<std::uint32_t>(rest));
  }
}

// As `requantised`, for four outputs: a rounding shift by a negative count is to the right, ties upwards; what exceeds
// 32 bits ends at their ends, and so at those of the activation.
void requantise4(int32x4_t sums, std::ptrdiff_t o, const Requantisation& requantisation, std::int8_t* y) {
  const int32x4_t multiplier = vld1q_s32(requantisation.multipliers + o);
  const int32x4_t left = vsubq_s32(vld1q_s32(requantisation.shifts + o), vdupq_n_s32(31));
  const int64x2_t low =
      vrshlq_s64(vmull_s32(vget_low_s32(sums), vget_low_s32(multiplier)), vmovl_s32(vget_low_s32(left)));
  const int64x2_t high = vrshlq_s64(vmull_high_s32(sums, multiplier), vmovl_high_s32(left));
  const int32x4_t scaled = vcombine_s32(vqmovn_s64(low), vqmovn_s64(high));
  const int32x4_t moved = vqaddq_s32(scaled, vdupq_n_s32(requantisation.output_zero_point));
  const int32x4_t clamped = vminq_s32(vmaxq_s32(moved, vdupq_n_s32(requantisation.activation_min)),
                                      vdupq_n_s32(requantisation.activation_max));
  const int16x4_t narrow = vmovn_s32(clamped);
  const std::int32_t four = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(narrow, narrow))), 0);
  std::memcpy(y + o, &four, 4);
}

}  // namespace

void fully_connected_s8_by(Dot4Fn dot4, const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                           const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                           const Requantisation& requantisation, std::int8_t* y) {
  for (std::ptrdiff_t o = 0; o < outputs; o += 4) {
    const std::ptrdiff_t here = std::min<std::ptrdiff_t>(4, outputs - o);
    const std::int8_t* rows = weights + o * inputs;
    std::int32_t four[4] = {}, sums[4];
    std::memcpy(four, bias + o, static_cast<std::size_t>(here) * sizeof(std::int32_t));
    int32x4_t first = vld1q_s32(four);
    if (requantisation.input_zero_point != 0) {
      dot4(nullptr, inputs, rows, here, sums);
      first = vmlsq_s32(first, vld1q_s32(sums), vdupq_n_s32(requantisation.input_zero_point));
    }
    for (std::ptrdiff_t n = 0; n < batch; ++n) {
      dot4(x + n * inputs, inputs, rows, here, sums);
      const int32x4_t whole = vaddq_s32(first, vld1q_s32(sums));
      if (here == 4) {
        requantise4(whole, o, requantisation, y + n * outputs);
        continue;
      }
      vst1q_s32(sums, whole);
      for (std::ptrdiff_t j = 0; j < here; ++j) y[n * outputs + o + j] = requantised(sums[j], o + j, requantisation);
    }
  }
}

void fully_connected_s8_neon(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                             const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                             const Requantisation& requantisation, std::int8_t* y) {
  fully_connected_s8_by(&dot4, x, batch, inputs, weights, bias, outputs, requantisation, y);
}

}  // namespace edgefer
#endif
