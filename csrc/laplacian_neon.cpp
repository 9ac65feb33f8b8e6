#if defined(__aarch64__)
#include <arm_neon.h>

#include "rows.h"

namespace edgefer {
namespace {

// (a + b + c + d) - 4 * centre of eight pixels; unsigned arithmetic wraps to the signed result.
uint16x8_t around_less_centre(uint8x8_t a, uint8x8_t b, uint8x8_t c, uint8x8_t d, uint8x8_t centre) {
  return vsubq_u16(vaddq_u16(vaddl_u8(a, b), vaddl_u8(c, d)), vshll_n_u8(centre, 2));
}

// Columns x to x + 7; reads columns x - 1 to x + 8.
void laplacian_8(ThreeRows rows, std::ptrdiff_t x, bool cross, std::int16_t* out) {
  const uint8x8_t centre = vld1_u8(rows.here + x);
  uint16x8_t result;
  if (cross) {
    result = around_less_centre(vld1_u8(rows.above + x), vld1_u8(rows.below + x), vld1_u8(rows.here + x - 1),
                                vld1_u8(rows.here + x + 1), centre);
  } else {
    result = around_less_centre(vld1_u8(rows.above + x - 1), vld1_u8(rows.above + x + 1), vld1_u8(rows.below + x - 1),
                                vld1_u8(rows.below + x + 1), centre);
    result = vshlq_n_u16(result, 1);
  }
  vst1q_s16(out + x, vreinterpretq_s16_u16(result));
}

}  // namespace

void laplacian_row_u8_s16_neon(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::int16_t* out) {
  const std::ptrdiff_t last = width - 1;
  const bool cross = aperture == 1;
  if (width < 10) return laplacian_columns_u8_s16(rows, width, aperture, border, 0, width, out);
  laplacian_edge(rows, width, cross, border, 0, out);
  std::ptrdiff_t x = 1;
  for (; x + 8 <= last; x += 8) laplacian_8(rows, x, cross, out);
  if (x < last) laplacian_8(rows, last - 8, cross, out);  // some columns are written twice, with the same values
  laplacian_edge(rows, width, cross, border, last, out);
}

void laplacian_u8_s16_neon(ImageU8 image, int aperture, Border border, OutputS16 out) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    laplacian_row_u8_s16_neon(three_rows(image, y, border), image.width, aperture, border,
                              out.data + y * out.row_stride);
}

}  // namespace edgefer
#endif
