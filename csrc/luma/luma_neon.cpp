#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include "luma/luma.h"

namespace edgefer {
namespace {

// The 16-bit form in luma.h; both shifts right come for nothing, with an addition and with the narrowing.
uint8x8_t bgr_8(uint8x8_t b, uint8x8_t g, uint8x8_t r) {
  uint16x8_t high = vmull_u8(b, vdup_n_u8(15));
  high = vmlal_u8(high, g, vdup_n_u8(75));
  high = vmlal_u8(high, r, vdup_n_u8(38));
  uint16x8_t low = vmull_u8(g, vdup_n_u8(35));  // wraps to the signed sum
  low = vmlal_u8(low, r, vdup_n_u8(70));
  low = vmlsl_u8(low, b, vdup_n_u8(105));
  const int16x8_t sum = vsraq_n_s16(vreinterpretq_s16_u16(high), vreinterpretq_s16_u16(low), 8);
  return vrshrn_n_u16(vreinterpretq_u16_s16(sum), 7);
}

void bgr_16(const std::uint8_t* from, std::uint8_t* to) {
  const uint8x16x3_t pixels = vld3q_u8(from);
  const uint8x16_t b = pixels.val[0], g = pixels.val[1], r = pixels.val[2];
  vst1q_u8(to, vcombine_u8(bgr_8(vget_low_u8(b), vget_low_u8(g), vget_low_u8(r)),
                           bgr_8(vget_high_u8(b), vget_high_u8(g), vget_high_u8(r))));
}

}  // namespace

void luma_u8_neon(ImageU8 image, LumaFormat format, OutputU8 out) {
  if (format != LumaFormat::bgr) return luma_u8_scalar(image, format, out);  // the compiler does as well by itself
  join_rows(image, out);
  const std::ptrdiff_t last = out.width - 16;
  if (last < 0) return luma_u8_scalar(image, format, out);
  for (std::ptrdiff_t y = 0; y < out.height; ++y) {
    const std::uint8_t* from = image.data + y * image.row_stride;
    std::uint8_t* to = out.data + y * out.row_stride;
    // The last step of a row is moved back to end with it: some pixels are written twice, with the same value.
    for (std::ptrdiff_t x = 0; x < last; x += 16) bgr_16(from + 3 * x, to + x);
    bgr_16(from + 3 * last, to + last);
  }
}

}  // namespace edgefer
#endif
