#if defined(__aarch64__)
#include <arm_neon.h>

#include "corners/rows.h"

namespace edgefer {
namespace {

// All ones in the lanes whose byte of the mask is not zero.
uint32x4_t allowed(const std::uint8_t* mask) {
  std::uint32_t four;
  std::memcpy(&four, mask, sizeof four);
  const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(four));
  return vcgtq_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))), vdupq_n_u32(0));
}

float best_neon(std::ptrdiff_t width, const float* scores, const std::uint8_t* mask, float best) {
  float32x4_t four = vdupq_n_f32(best);
  std::ptrdiff_t x = 0;
  for (; x + 4 <= width; x += 4) {
    float32x4_t value = vld1q_f32(scores + x);
    if (mask) value = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(value), allowed(mask + x)));
    four = vmaxq_f32(four, value);
  }
  return best_corner(x, width, scores, mask, vmaxvq_f32(four));
}

float32x4_t highest_of_three(ScoreRows rows, std::ptrdiff_t x) {
  return vmaxq_f32(vmaxq_f32(vld1q_f32(rows.above + x), vld1q_f32(rows.here + x)), vld1q_f32(rows.below + x));
}

std::ptrdiff_t peaks_neon(std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask, float threshold,
                          std::int32_t place, CornerKey* keys, float& best) {
  best = best_neon(width, rows.here, mask, best);
  const float32x4_t above_threshold = vdupq_n_f32(threshold);
  std::ptrdiff_t count = 0, x = 1;
  for (; x + 4 < width; x += 4) {
    const float32x4_t value = vld1q_f32(rows.here + x);
    // The value is among the nine, so it is a peak where it equals the highest.
    const float32x4_t highest =
        vmaxq_f32(vmaxq_f32(highest_of_three(rows, x - 1), highest_of_three(rows, x)), highest_of_three(rows, x + 1));
    uint32x4_t peak = vandq_u32(vcgeq_f32(value, highest), vcgtq_f32(value, above_threshold));
    if (mask) peak = vandq_u32(peak, allowed(mask + x));
    // 16 bits for each lane.
    std::uint64_t lanes = vget_lane_u64(vreinterpret_u64_u16(vmovn_u32(peak)), 0);
    for (; lanes != 0; lanes &= ~(std::uint64_t{0xFFFF} << (__builtin_ctzll(lanes) & ~15))) {
      const std::ptrdiff_t at = x + __builtin_ctzll(lanes) / 16;
      keys[count++] = corner_key(rows.here[at], place + at);
    }
  }
  return count + corner_peaks(x, width, rows, mask, threshold, place, keys + count);
}

}  // namespace

std::ptrdiff_t good_corners_u8_neon(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_rows(image, mask, limits, scratch, shi_tomasi_rows_neon, &peaks_neon);
}

}  // namespace edgefer
#endif
