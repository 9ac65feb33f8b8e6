#include "rows.h"

namespace edgefer {

// Row by row, so that the second operator finds the three rows in the first-level cache.
void gradients_u8_s16_scalar(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                             OutputS16 laplacian) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y) {
    const ThreeRows rows = three_rows(image, y, border);
    sobel_row_u8_s16_scalar(rows, image.width, border, gx.data + y * gx.row_stride, gy.data + y * gy.row_stride);
    laplacian_row_u8_s16_scalar(rows, image.width, aperture, border, laplacian.data + y * laplacian.row_stride);
  }
}

}  // namespace edgefer
