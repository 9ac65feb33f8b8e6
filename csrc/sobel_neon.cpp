#if defined(__aarch64__)
#include <arm_neon.h>

#include "rows.h"

namespace edgefer {
namespace {

// a - b of eight pixels as s16: the wrapped unsigned difference is the signed one.
int16x8_t difference(uint8x8_t a, uint8x8_t b) { return vreinterpretq_s16_u16(vsubl_u8(a, b)); }

// Columns x to x + 7; reads columns x - 1 to x + 8.
void sobel_8(ThreeRows rows, std::ptrdiff_t x, std::int16_t* gx, std::int16_t* gy) {
  // The two diagonals belong to both: gx has their sum, gy their difference.
  const int16x8_t falling = difference(vld1_u8(rows.below + x + 1), vld1_u8(rows.above + x - 1));
  const int16x8_t rising = difference(vld1_u8(rows.above + x + 1), vld1_u8(rows.below + x - 1));
  const int16x8_t across = difference(vld1_u8(rows.here + x + 1), vld1_u8(rows.here + x - 1));
  const int16x8_t down = difference(vld1_u8(rows.below + x), vld1_u8(rows.above + x));
  vst1q_s16(gx + x, vaddq_s16(vaddq_s16(falling, rising), vaddq_s16(across, across)));
  vst1q_s16(gy + x, vaddq_s16(vsubq_s16(falling, rising), vaddq_s16(down, down)));
}

}  // namespace

void sobel_row_u8_s16_neon(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* gx, std::int16_t* gy) {
  const std::ptrdiff_t last = width - 1;
  if (width < 10) return sobel_columns_u8_s16(rows, width, border, 0, width, gx, gy);
  sobel_edge(rows, width, border, 0, gx, gy);
  std::ptrdiff_t x = 1;
  for (; x + 8 <= last; x += 8) sobel_8(rows, x, gx, gy);
  if (x < last) sobel_8(rows, last - 8, gx, gy);  // some columns are written twice, with the same values
  sobel_edge(rows, width, border, last, gx, gy);
}

}  // namespace edgefer
#endif
