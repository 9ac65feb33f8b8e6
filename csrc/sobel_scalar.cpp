#include <initializer_list>

#include "rows.h"

namespace edgefer {
namespace {

// One pixel from its three columns; left, centre and right are indices into the rows. Exact in int; s16 holds it.
std::int16_t gx_pixel(ThreeRows rows, std::ptrdiff_t left, std::ptrdiff_t right) {
  const auto [above, here, below] = rows;
  return static_cast<std::int16_t>((above[right] - above[left]) + 2 * (here[right] - here[left]) +
                                   (below[right] - below[left]));
}
std::int16_t gy_pixel(ThreeRows rows, std::ptrdiff_t left, std::ptrdiff_t centre, std::ptrdiff_t right) {
  const auto [above, here, below] = rows;
  return static_cast<std::int16_t>((below[left] - above[left]) + 2 * (below[centre] - above[centre]) +
                                   (below[right] - above[right]));
}

}  // namespace

void sobel_row_u8_s16_scalar(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* __restrict gx,
                             std::int16_t* __restrict gy) {
  for (std::ptrdiff_t x = 1; x < width - 1; ++x) {
    gx[x] = gx_pixel(rows, x - 1, x + 1);
    gy[x] = gy_pixel(rows, x - 1, x, x + 1);
  }
  for (const std::ptrdiff_t x : {std::ptrdiff_t{0}, width - 1}) {  // perhaps the same
    const std::ptrdiff_t left = x > 0 ? x - 1 : before_first(width, border);
    const std::ptrdiff_t right = x + 1 < width ? x + 1 : after_last(width, border);
    gx[x] = gx_pixel(rows, left, right);
    gy[x] = gy_pixel(rows, left, x, right);
  }
}

void sobel_u8_s16_scalar(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    sobel_row_u8_s16_scalar(three_rows(image, y, border), image.width, border, gx.data + y * gx.row_stride,
                            gy.data + y * gy.row_stride);
}

}  // namespace edgefer
