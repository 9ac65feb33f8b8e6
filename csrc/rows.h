// Three neighbouring rows of an image, and the operators on one row in plain code.
#pragma once

#include "kernels.h"

namespace edgefer {

struct ThreeRows {
  const std::uint8_t* above;
  const std::uint8_t* here;
  const std::uint8_t* below;
};

// Row y between its neighbours; what stands above and below the image is one of its rows.
inline ThreeRows three_rows(ImageU8 image, std::ptrdiff_t y, Border border) {
  const std::ptrdiff_t y_above = y > 0 ? y - 1 : before_first(image.height, border);
  const std::ptrdiff_t y_below = y + 1 < image.height ? y + 1 : after_last(image.height, border);
  return {image.data + y_above * image.row_stride, image.data + y * image.row_stride,
          image.data + y_below * image.row_stride};
}

// sobel and laplacian of one row of `width` pixels. `border` says what stands beyond its ends.
void sobel_row_u8_s16_scalar(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* gx, std::int16_t* gy);
void laplacian_row_u8_s16_scalar(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::int16_t* out);

}  // namespace edgefer
