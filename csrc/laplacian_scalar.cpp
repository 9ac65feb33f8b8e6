#include "rows.h"

namespace edgefer {

void laplacian_columns_u8_s16(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::ptrdiff_t begin,
                              std::ptrdiff_t end, std::int16_t* __restrict out) {
  const bool cross = aperture == 1;
  const std::ptrdiff_t last = width - 1;
  std::ptrdiff_t x = begin;
  if (x == 0 && x < end) laplacian_edge(rows, width, cross, border, x, out), ++x;
  for (; x < (end < last ? end : last); ++x) out[x] = laplacian_pixel(rows, cross, x - 1, x, x + 1);
  if (x < end) laplacian_edge(rows, width, cross, border, x, out);
}

void laplacian_row_u8_s16_scalar(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::int16_t* out) {
  laplacian_columns_u8_s16(rows, width, aperture, border, 0, width, out);
}

void laplacian_u8_s16_scalar(ImageU8 image, int aperture, Border border, OutputS16 out) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    laplacian_row_u8_s16_scalar(three_rows(image, y, border), image.width, aperture, border,
                                out.data + y * out.row_stride);
}

}  // namespace edgefer
