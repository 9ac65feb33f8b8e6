#include <initializer_list>

#include "gradients/gradients.h"

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
std::int16_t laplacian_pixel(ThreeRows rows, bool cross, std::ptrdiff_t left, std::ptrdiff_t centre,
                             std::ptrdiff_t right) {
  const auto [above, here, below] = rows;
  const int sum = cross ? above[centre] + here[left] + here[right] + below[centre] - 4 * here[centre]
                        : 2 * (above[left] + above[right] + below[left] + below[right]) - 8 * here[centre];
  return static_cast<std::int16_t>(sum);
}

// Of one row of `width` pixels; `border` says what stands beyond its ends.
void sobel_row(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* __restrict gx,
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

void laplacian_row(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::int16_t* __restrict out) {
  const bool cross = aperture == 1;
  for (std::ptrdiff_t x = 1; x < width - 1; ++x) out[x] = laplacian_pixel(rows, cross, x - 1, x, x + 1);
  for (const std::ptrdiff_t x : {std::ptrdiff_t{0}, width - 1}) {  // perhaps the same
    const std::ptrdiff_t left = x > 0 ? x - 1 : before_first(width, border);
    const std::ptrdiff_t right = x + 1 < width ? x + 1 : after_last(width, border);
    out[x] = laplacian_pixel(rows, cross, left, x, right);
  }
}

}  // namespace

void sobel_u8_s16_scalar(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    sobel_row(three_rows(image, y, border), image.width, border, gx.data + y * gx.row_stride,
              gy.data + y * gy.row_stride);
}

void laplacian_u8_s16_scalar(ImageU8 image, int aperture, Border border, OutputS16 out) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    laplacian_row(three_rows(image, y, border), image.width, aperture, border, out.data + y * out.row_stride);
}

// Row by row, so that the second operator finds the three rows in the first-level cache.
void gradients_u8_s16_scalar(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                             OutputS16 laplacian) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y) {
    const ThreeRows rows = three_rows(image, y, border);
    sobel_row(rows, image.width, border, gx.data + y * gx.row_stride, gy.data + y * gy.row_stride);
    laplacian_row(rows, image.width, aperture, border, laplacian.data + y * laplacian.row_stride);
  }
}

}  // namespace edgefer
