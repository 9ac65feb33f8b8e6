#include "rows.h"

namespace edgefer {

void sobel_columns_u8_s16(ThreeRows rows, std::ptrdiff_t width, Border border, std::ptrdiff_t begin, std::ptrdiff_t end,
                          std::int16_t* __restrict gx, std::int16_t* __restrict gy) {
  const std::ptrdiff_t last = width - 1;
  std::ptrdiff_t x = begin;
  if (x == 0 && x < end) sobel_edge(rows, width, border, x, gx, gy), ++x;
  for (; x < (end < last ? end : last); ++x) {
    gx[x] = gx_pixel(rows, x - 1, x + 1);
    gy[x] = gy_pixel(rows, x - 1, x, x + 1);
  }
  if (x < end) sobel_edge(rows, width, border, x, gx, gy);
}

void sobel_row_u8_s16_scalar(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* gx, std::int16_t* gy) {
  sobel_columns_u8_s16(rows, width, border, 0, width, gx, gy);
}

void sobel_u8_s16_scalar(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    sobel_row_u8_s16_scalar(three_rows(image, y, border), image.width, border, gx.data + y * gx.row_stride,
                            gy.data + y * gy.row_stride);
}

}  // namespace edgefer
