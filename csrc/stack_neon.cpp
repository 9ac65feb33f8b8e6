#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include <cstring>  // memcpy

#include "kernels.h"

namespace edgefer {
namespace {

int16x8_t load8(const std::uint8_t* from) { return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(from))); }

// Eight values of one channel; rows start at pixel -1.
int16x8_t channel8(Channel kind, const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below) {
  switch (kind) {
    case Channel::grey: return load8(here + 1);
    case Channel::gx: {
      const int16x8_t outer =
          vaddq_s16(vsubq_s16(load8(above + 2), load8(above)), vsubq_s16(load8(below + 2), load8(below)));
      const int16x8_t middle = vsubq_s16(load8(here + 2), load8(here));
      return vaddq_s16(outer, vaddq_s16(middle, middle));
    }
    case Channel::gy: {
      const int16x8_t outer =
          vaddq_s16(vsubq_s16(load8(below), load8(above)), vsubq_s16(load8(below + 2), load8(above + 2)));
      const int16x8_t middle = vsubq_s16(load8(below + 1), load8(above + 1));
      return vaddq_s16(outer, vaddq_s16(middle, middle));
    }
    case Channel::laplacian: {
      const int16x8_t around =
          vaddq_s16(vaddq_s16(load8(above + 1), load8(below + 1)), vaddq_s16(load8(here), load8(here + 2)));
      return vsubq_s16(around, vshlq_n_s16(load8(here + 1), 2));
    }
  }
  return vdupq_n_s16(0);
}

// The conversion rounds ties to even and saturates, as does the narrowing; product and sum are not fused.
int16x4_t quantised4(int16x4_t values, float multiplier, float offset) {
  const float32x4_t product = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(values)), multiplier);
  return vqmovn_s32(vcvtnq_s32_f32(vaddq_f32(product, vdupq_n_f32(offset))));
}

int8x8_t quantised8(int16x8_t values, float multiplier, float offset) {
  return vqmovn_s16(vcombine_s16(quantised4(vget_low_s16(values), multiplier, offset),
                                 quantised4(vget_high_s16(values), multiplier, offset)));
}

void store_interleaved(const int8x8_t* planes, int channels, std::int8_t* out) {
  switch (channels) {
    case 1: vst1_s8(out, planes[0]); return;
    case 2: vst2_s8(out, int8x8x2_t{{planes[0], planes[1]}}); return;
    case 3: vst3_s8(out, int8x8x3_t{{planes[0], planes[1], planes[2]}}); return;
    default: vst4_s8(out, int8x8x4_t{{planes[0], planes[1], planes[2], planes[3]}});
  }
}

void stack_row_neon(const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below,
                    std::ptrdiff_t width, const StackPlan& plan, std::int8_t* out) {
  for (std::ptrdiff_t x = 0; x < width; x += 8) {
    int8x8_t planes[max_channels];
    for (int c = 0; c < plan.channels; ++c)
      planes[c] =
          quantised8(channel8(plan.kinds[c], above + x, here + x, below + x), plan.multipliers[c], plan.offsets[c]);
    if (x + 8 <= width) {
      store_interleaved(planes, plan.channels, out + x * plan.channels);
    } else {
      std::int8_t last[8 * max_channels];
      store_interleaved(planes, plan.channels, last);
      std::memcpy(out + x * plan.channels, last, static_cast<std::size_t>((width - x) * plan.channels));
    }
  }
}

}  // namespace

void stack_u8_s8_neon(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, StackScratch scratch,
                      std::int8_t* out) {
  stack_rows(image, columns, rows, plan, scratch, &resize_row_u8_neon, &stack_row_neon, out);
}

}  // namespace edgefer
#endif
