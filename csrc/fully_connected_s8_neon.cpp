#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include "kernels.h"

namespace edgefer {
namespace {

std::uint32_t dot(const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights, std::int32_t zero_point) {
  const int16x8_t shift = vdupq_n_s16(static_cast<std::int16_t>(zero_point));
  int32x4_t low = vdupq_n_s32(0), high = low;
  std::ptrdiff_t i = 0;
  for (; i + 8 <= inputs; i += 8) {
    const int16x8_t value = vsubq_s16(vmovl_s8(vld1_s8(x + i)), shift);  // -255 to 255
    const int16x8_t weight = vmovl_s8(vld1_s8(weights + i));
    low = vmlal_s16(low, vget_low_s16(value), vget_low_s16(weight));
    high = vmlal_high_s16(high, value, weight);
  }
  auto sum = static_cast<std::uint32_t>(vaddvq_s32(vaddq_s32(low, high)));
  for (; i < inputs; ++i) sum += static_cast<std::uint32_t>((x[i] - zero_point) * weights[i]);
  return sum;
}

}  // namespace

void fully_connected_s8_neon(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                             const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                             const Requantisation& requantisation, std::int8_t* y) {
  for (std::ptrdiff_t n = 0; n < batch; ++n, x += inputs, y += outputs)
    for (std::ptrdiff_t o = 0; o < outputs; ++o)
      y[o] =
          requantised(static_cast<std::int32_t>(dot(x, inputs, weights + o * inputs, requantisation.input_zero_point) +
                                                static_cast<std::uint32_t>(bias[o])),
                      o, requantisation);
}

}  // namespace edgefer
#endif
