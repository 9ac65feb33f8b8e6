#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include <cstring>  // memcpy

#include "resize/resize.h"

namespace edgefer {
namespace {

int16x8_t difference(uint8x8_t a, uint8x8_t b) { return vreinterpretq_s16_u16(vsubl_u8(a, b)); }
int16x8_t twice(int16x8_t values) { return vaddq_s16(values, values); }

// Eight values of each kind of channel from x on, at the kind's own place; rows start at pixel -1.
void all_channels8(const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below, int16x8_t* values) {
  const uint8x8_t a0 = vld1_u8(above), a1 = vld1_u8(above + 1), a2 = vld1_u8(above + 2);
  const uint8x8_t h0 = vld1_u8(here), h1 = vld1_u8(here + 1), h2 = vld1_u8(here + 2);
  const uint8x8_t b0 = vld1_u8(below), b1 = vld1_u8(below + 1), b2 = vld1_u8(below + 2);
  const int16x8_t across = vaddq_s16(difference(a2, a0), difference(b2, b0));
  const int16x8_t down = vaddq_s16(difference(b0, a0), difference(b2, a2));
  const int16x8_t around = vreinterpretq_s16_u16(vaddq_u16(vaddl_u8(a1, b1), vaddl_u8(h0, h2)));
  values[static_cast<int>(Channel::grey)] = vreinterpretq_s16_u16(vmovl_u8(h1));
  values[static_cast<int>(Channel::gx)] = vaddq_s16(across, twice(difference(h2, h0)));
  values[static_cast<int>(Channel::gy)] = vaddq_s16(down, twice(difference(b1, a1)));
  values[static_cast<int>(Channel::laplacian)] = vsubq_s16(around, vreinterpretq_s16_u16(vshll_n_u8(h1, 2)));
}

// The conversion rounds ties to even and saturates, as does the narrowing; product and sum are not fused.
int16x4_t quantised4(int16x4_t values, float32x4_t multiplier, float32x4_t offset) {
  return vqmovn_s32(vcvtnq_s32_f32(vaddq_f32(vmulq_f32(vcvtq_f32_s32(vmovl_s16(values)), multiplier), offset)));
}

int8x8_t quantised8(int16x8_t values, const Quantiser& quantiser, int channel) {
  const float32x4_t multiplier = vld1q_f32(quantiser.multipliers[channel]);
  const float32x4_t offset = vld1q_f32(quantiser.offsets[channel]);
  return vqmovn_s16(vcombine_s16(quantised4(vget_low_s16(values), multiplier, offset),
                                 quantised4(vget_high_s16(values), multiplier, offset)));
}

// The same where the quantiser is exact; a shift to the left by a negative number is one to the right.
int8x8_t shifted8(int16x8_t values, const Quantiser& quantiser, int channel) {
  const int16x8_t right = vdupq_n_s16(static_cast<std::int16_t>(-quantiser.shifts[channel][0]));
  const int16x8_t sum = vaddq_s16(values, vld1q_s16(quantiser.terms[channel]));
  const int16x8_t up = vandq_s16(vshlq_s16(sum, right), vld1q_s16(quantiser.odd[channel]));
  return vqmovn_s16(vshlq_s16(vaddq_s16(sum, vaddq_s16(up, vld1q_s16(quantiser.below_half[channel]))), right));
}

void store_interleaved(const int8x8_t* planes, int channels, std::int8_t* out) {
  switch (channels) {
    case 1: vst1_s8(out, planes[0]); return;
    case 2: vst2_s8(out, (int8x8x2_t{{planes[0], planes[1]}})); return;
    case 3: vst3_s8(out, (int8x8x3_t{{planes[0], planes[1], planes[2]}})); return;
    default: vst4_s8(out, (int8x8x4_t{{planes[0], planes[1], planes[2], planes[3]}}));
  }
}

void stack_row(const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below, std::ptrdiff_t width,
               const Quantiser& quantiser, std::int8_t* out) {
  const int channels = quantiser.channels;
  for (std::ptrdiff_t x = 0; x < width; x += 8) {
    int16x8_t values[max_channels];
    int8x8_t planes[max_channels];
    all_channels8(above + x, here + x, below + x, values);
    for (int c = 0; c < channels; ++c) {
      const int16x8_t value = values[static_cast<int>(quantiser.kinds[c])];
      planes[c] = quantiser.exact ? shifted8(value, quantiser, c) : quantised8(value, quantiser, c);
    }
    if (x + 8 <= width) {
      store_interleaved(planes, channels, out + x * channels);
    } else {
      std::int8_t last[8 * max_channels];
      store_interleaved(planes, channels, last);
      std::memcpy(out + x * channels, last, static_cast<std::size_t>((width - x) * channels));
    }
  }
}

}  // namespace

void stack_u8_s8_neon(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                      void* scratch) {
  stack_by_rows(image, columns, rows, plan, out, scratch, resize_steps_neon, &stack_row);
}

}  // namespace edgefer
#endif
