#include <initializer_list>

#include "rows.h"

namespace edgefer {
namespace {

// One pixel from its three columns, as in sobel_scalar.cpp.
std::int16_t laplacian_pixel(ThreeRows rows, bool cross, std::ptrdiff_t left, std::ptrdiff_t centre,
                             std::ptrdiff_t right) {
  const auto [above, here, below] = rows;
  const int sum = cross ? above[centre] + here[left] + here[right] + below[centre] - 4 * here[centre]
                        : 2 * (above[left] + above[right] + below[left] + below[right]) - 8 * here[centre];
  return static_cast<std::int16_t>(sum);
}

}  // namespace

void laplacian_row_u8_s16_scalar(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border,
                                 std::int16_t* __restrict out) {
  const bool cross = aperture == 1;
  for (std::ptrdiff_t x = 1; x < width - 1; ++x) out[x] = laplacian_pixel(rows, cross, x - 1, x, x + 1);
  for (const std::ptrdiff_t x : {std::ptrdiff_t{0}, width - 1}) {  // perhaps the same
    const std::ptrdiff_t left = x > 0 ? x - 1 : before_first(width, border);
    const std::ptrdiff_t right = x + 1 < width ? x + 1 : after_last(width, border);
    out[x] = laplacian_pixel(rows, cross, left, x, right);
  }
}

void laplacian_u8_s16_scalar(ImageU8 image, int aperture, Border border, OutputS16 out) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    laplacian_row_u8_s16_scalar(three_rows(image, y, border), image.width, aperture, border,
                                out.data + y * out.row_stride);
}

}  // namespace edgefer
