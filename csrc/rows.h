// Building blocks of the image kernels that work on one row.
//
// Every row function reads three rows of `width` u8 pixels and writes `width` results; it stays inside the rows, so
// no padding is needed. `border` says what stands beyond the left and right ends; what stands above and below the
// image is in the choice of the rows (three_rows). The rows read may be one another, never the rows written.
#pragma once

#include "kernels.h"

namespace edgefer {

struct ThreeRows {
  const std::uint8_t* above;
  const std::uint8_t* here;
  const std::uint8_t* below;
};

inline ThreeRows three_rows(ImageU8 image, std::ptrdiff_t y, Border border) {
  const std::ptrdiff_t y_above = y > 0 ? y - 1 : before_first(image.height, border);
  const std::ptrdiff_t y_below = y + 1 < image.height ? y + 1 : after_last(image.height, border);
  return {image.data + y_above * image.row_stride, image.data + y * image.row_stride,
          image.data + y_below * image.row_stride};
}

// sobel of one row.
using SobelRowFn = void (*)(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* gx, std::int16_t* gy);
void sobel_row_u8_s16_scalar(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* gx, std::int16_t* gy);
void sobel_row_u8_s16_avx2(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* gx, std::int16_t* gy);
void sobel_row_u8_s16_neon(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* gx, std::int16_t* gy);

// laplacian of one row; aperture 1 or 3.
using LaplacianRowFn = void (*)(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::int16_t* out);
void laplacian_row_u8_s16_scalar(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::int16_t* out);

// One pixel from its three columns; left, centre and right are indices into the rows. Exact in int; s16 holds it.
inline std::int16_t gx_pixel(ThreeRows rows, std::ptrdiff_t left, std::ptrdiff_t right) {
  const auto [above, here, below] = rows;
  return static_cast<std::int16_t>((above[right] - above[left]) + 2 * (here[right] - here[left]) +
                                   (below[right] - below[left]));
}
inline std::int16_t gy_pixel(ThreeRows rows, std::ptrdiff_t left, std::ptrdiff_t centre, std::ptrdiff_t right) {
  const auto [above, here, below] = rows;
  return static_cast<std::int16_t>((below[left] - above[left]) + 2 * (below[centre] - above[centre]) +
                                   (below[right] - above[right]));
}
inline std::int16_t laplacian_pixel(ThreeRows rows, bool cross, std::ptrdiff_t left, std::ptrdiff_t centre,
                                    std::ptrdiff_t right) {
  const auto [above, here, below] = rows;
  const int sum = cross ? above[centre] + here[left] + here[right] + below[centre] - 4 * here[centre]
                        : 2 * (above[left] + above[right] + below[left] + below[right]) - 8 * here[centre];
  return static_cast<std::int16_t>(sum);
}

// Column x, which may be the first, the last or both.
inline void sobel_edge(ThreeRows rows, std::ptrdiff_t width, Border border, std::ptrdiff_t x, std::int16_t* gx,
                       std::int16_t* gy) {
  const std::ptrdiff_t left = x > 0 ? x - 1 : before_first(width, border);
  const std::ptrdiff_t right = x + 1 < width ? x + 1 : after_last(width, border);
  gx[x] = gx_pixel(rows, left, right);
  gy[x] = gy_pixel(rows, left, x, right);
}
inline void laplacian_edge(ThreeRows rows, std::ptrdiff_t width, bool cross, Border border, std::ptrdiff_t x,
                           std::int16_t* out) {
  out[x] = laplacian_pixel(rows, cross, x > 0 ? x - 1 : before_first(width, border), x,
                           x + 1 < width ? x + 1 : after_last(width, border));
}

// The columns [begin, end) of a row in plain code.
void sobel_columns_u8_s16(ThreeRows rows, std::ptrdiff_t width, Border border, std::ptrdiff_t begin, std::ptrdiff_t end,
                          std::int16_t* gx, std::int16_t* gy);
void laplacian_columns_u8_s16(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::ptrdiff_t begin,
                              std::ptrdiff_t end, std::int16_t* out);

}  // namespace edgefer
