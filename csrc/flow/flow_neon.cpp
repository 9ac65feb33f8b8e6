#if defined(__aarch64__)
#include <arm_neon.h>

#include "flow/flow.h"

namespace edgefer {
namespace {

struct Samples {
  int16x8_t low, high;
};

uint32x4_t weighted(uint16x4_t here, uint16x4_t right, uint16x4_t below, uint16x4_t diagonal, uint16x4_t weights) {
  uint32x4_t total = vmull_lane_u16(here, weights, 0);
  total = vmlal_lane_u16(total, right, weights, 1);
  total = vmlal_lane_u16(total, below, weights, 2);
  return vmlal_lane_u16(total, diagonal, weights, 3);
}

int16x8_t samples_8(uint16x8_t here, uint16x8_t right, uint16x8_t below, uint16x8_t diagonal, uint16x4_t weights) {
  const uint32x4_t low =
      weighted(vget_low_u16(here), vget_low_u16(right), vget_low_u16(below), vget_low_u16(diagonal), weights);
  const uint32x4_t high =
      weighted(vget_high_u16(here), vget_high_u16(right), vget_high_u16(below), vget_high_u16(diagonal), weights);
  return vreinterpretq_s16_u16(vcombine_u16(vrshrn_n_u32(low, 9), vrshrn_n_u32(high, 9)));
}

Samples samples_16(const std::uint8_t* upper, const std::uint8_t* lower, uint16x4_t weights) {
  const uint8x16_t here = vld1q_u8(upper), right = vld1q_u8(upper + 1);
  const uint8x16_t below = vld1q_u8(lower), diagonal = vld1q_u8(lower + 1);
  return {samples_8(vmovl_u8(vget_low_u8(here)), vmovl_u8(vget_low_u8(right)), vmovl_u8(vget_low_u8(below)),
                    vmovl_u8(vget_low_u8(diagonal)), weights),
          samples_8(vmovl_high_u8(here), vmovl_high_u8(right), vmovl_high_u8(below), vmovl_high_u8(diagonal), weights)};
}

uint16x4_t lanes(FlowWeights weights) {
  const std::uint16_t four[4] = {static_cast<std::uint16_t>(weights.here), static_cast<std::uint16_t>(weights.right),
                                 static_cast<std::uint16_t>(weights.below),
                                 static_cast<std::uint16_t>(weights.diagonal)};
  return vld1_u16(four);
}

void sample(const std::uint8_t* pixels, std::ptrdiff_t stride, FlowWeights weights, int rows, std::int16_t* samples) {
  const uint16x4_t four = lanes(weights);
  for (int y = 0; y < rows; ++y, pixels += stride) {
    const Samples row = samples_16(pixels, pixels + stride, four);
    vst1q_s16(samples + y * flow_row, row.low);
    vst1q_s16(samples + y * flow_row + 8, row.high);
  }
}

// sum += a * b, eight products in four lanes.
int32x4_t add_products(int32x4_t total, int16x8_t a, int16x8_t b) {
  return vmlal_high_s16(vmlal_s16(total, vget_low_s16(a), vget_low_s16(b)), a, b);
}

FlowSums gradients(const std::int16_t* samples, int window, std::int16_t* gx, std::int16_t* gy) {
  static constexpr std::int16_t ones_then_zeros[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  int32x4_t xx = vdupq_n_s32(0), xy = xx, yy = xx;
  for (int y = 0; y < window; ++y)
    for (int x = 0; x < flow_row; x += 8) {
      const int16x8_t inside = vld1q_s16(ones_then_zeros + flow_row - window + x);
      const std::int16_t* above = samples + y * flow_row + x;
      const std::int16_t* here = above + flow_row;
      const std::int16_t* below = here + flow_row;
      const int16x8_t across = vandq_s16(vrshrq_n_s16(vsubq_s16(vld1q_s16(here + 2), vld1q_s16(here)), 3), inside);
      const int16x8_t down = vandq_s16(vrshrq_n_s16(vsubq_s16(vld1q_s16(below + 1), vld1q_s16(above + 1)), 3), inside);
      vst1q_s16(gx + y * flow_row + x, across);
      vst1q_s16(gy + y * flow_row + x, down);
      xx = add_products(xx, across, across);
      xy = add_products(xy, across, down);
      yy = add_products(yy, down, down);
    }
  return {vaddvq_s32(xx), vaddvq_s32(xy), vaddvq_s32(yy)};
}

FlowSlope mismatch(const std::uint8_t* pixels, std::ptrdiff_t stride, FlowWeights weights, int window,
                   const std::int16_t* target, const std::int16_t* gx, const std::int16_t* gy) {
  const uint16x4_t four = lanes(weights);
  int32x4_t x = vdupq_n_s32(0), y = x;
  for (int i = 0; i < window * flow_row; i += flow_row, pixels += stride) {
    const Samples row = samples_16(pixels, pixels + stride, four);
    const int16x8_t low = vsubq_s16(row.low, vld1q_s16(target + i));
    const int16x8_t high = vsubq_s16(row.high, vld1q_s16(target + i + 8));
    x = add_products(add_products(x, low, vld1q_s16(gx + i)), high, vld1q_s16(gx + i + 8));
    y = add_products(add_products(y, low, vld1q_s16(gy + i)), high, vld1q_s16(gy + i + 8));
  }
  return {vaddvq_s32(x), vaddvq_s32(y)};
}

}  // namespace

void flow_u8_f32_neon(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch) {
  flow_by_points(before, after, points, window, levels, scratch, {sample, gradients, mismatch});
}

}  // namespace edgefer
#endif
