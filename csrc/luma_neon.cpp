#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include "kernels.h"

namespace edgefer {
namespace {

void yuyv_row(const std::uint8_t* from, std::ptrdiff_t width, std::uint8_t* to) {
  std::ptrdiff_t x = 0;
  for (; x + 16 <= width; x += 16) vst1q_u8(to + x, vld2q_u8(from + 2 * x).val[0]);
  for (; x < width; ++x) to[x] = from[2 * x];
}

// (3735 b + 19235 g + 9798 r + 2^14) >> 15 of eight pixels; the narrowing shift rounds.
uint8x8_t bgr_luma8(uint8x8_t blue, uint8x8_t green, uint8x8_t red) {
  const uint16x8_t b = vmovl_u8(blue), g = vmovl_u8(green), r = vmovl_u8(red);
  uint32x4_t low = vmull_n_u16(vget_low_u16(b), 3735);
  low = vmlal_n_u16(low, vget_low_u16(g), 19235);
  low = vmlal_n_u16(low, vget_low_u16(r), 9798);
  uint32x4_t high = vmull_n_u16(vget_high_u16(b), 3735);
  high = vmlal_n_u16(high, vget_high_u16(g), 19235);
  high = vmlal_n_u16(high, vget_high_u16(r), 9798);
  return vmovn_u16(vcombine_u16(vrshrn_n_u32(low, 15), vrshrn_n_u32(high, 15)));
}

void bgr_row(const std::uint8_t* from, std::ptrdiff_t width, std::uint8_t* to) {
  std::ptrdiff_t x = 0;
  for (; x + 16 <= width; x += 16) {
    const uint8x16x3_t pixels = vld3q_u8(from + 3 * x);
    const uint8x8_t low = bgr_luma8(vget_low_u8(pixels.val[0]), vget_low_u8(pixels.val[1]), vget_low_u8(pixels.val[2]));
    const uint8x8_t high =
        bgr_luma8(vget_high_u8(pixels.val[0]), vget_high_u8(pixels.val[1]), vget_high_u8(pixels.val[2]));
    vst1q_u8(to + x, vcombine_u8(low, high));
  }
  for (; x < width; ++x)
    to[x] = static_cast<std::uint8_t>(
        (3735 * from[3 * x] + 19235 * from[3 * x + 1] + 9798 * from[3 * x + 2] + (1 << 14)) >> 15);
}

}  // namespace

void luma_u8_neon(ImageU8 image, LumaFormat format, OutputU8 out) {
  if (format == LumaFormat::nv12) return luma_u8_scalar(image, format, out);  // a copy of rows
  for (std::ptrdiff_t y = 0; y < out.height; ++y) {
    const std::uint8_t* from = image.data + y * image.row_stride;
    std::uint8_t* to = out.data + y * out.row_stride;
    if (format == LumaFormat::yuyv) {
      yuyv_row(from, out.width, to);
    } else {
      bgr_row(from, out.width, to);
    }
  }
}

}  // namespace edgefer
#endif
