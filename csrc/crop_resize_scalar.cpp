#include <algorithm>  // fill

#include "kernels.h"

namespace edgefer {

void resize_row_u8_scalar(ImageU8 image, const Axis& columns, const Axis& rows, std::ptrdiff_t y, ResizeScratch scratch,
                          std::uint8_t* out) {
  const std::ptrdiff_t width = columns.end - columns.begin;
  std::int32_t* __restrict sums = scratch.sums;
  std::fill(sums, sums + width, 1 << 6);
  for (std::int32_t k = 0; k < rows.count[y]; ++k) {
    const std::uint8_t* __restrict pixels =
        image.data + (rows.begin + rows.start[y] + k) * image.row_stride + columns.begin;
    const std::int32_t weight = rows.weights[rows.first[y] + k];
    for (std::ptrdiff_t x = 0; x < width; ++x) sums[x] += weight * pixels[x];
  }
  for (std::ptrdiff_t x = 0; x < width; ++x) scratch.row[x] = static_cast<std::int16_t>(sums[x] >> 7);

  for (std::ptrdiff_t x = 0; x < columns.size; ++x) {
    const std::int16_t* from = scratch.row + columns.start[x];
    const std::int16_t* weights = columns.weights + columns.first[x];
    std::int32_t sum = 1 << 20;
    for (std::int32_t k = 0; k < columns.count[x]; ++k) sum += weights[k] * from[k];
    out[x] = static_cast<std::uint8_t>(sum >> 21);
  }
}

void crop_resize_u8_scalar(ImageU8 image, const Axis& columns, const Axis& rows, ResizeScratch scratch, OutputU8 out) {
  for (std::ptrdiff_t y = 0; y < out.height; ++y)
    resize_row_u8_scalar(image, columns, rows, y, scratch, out.data + y * out.row_stride);
}

}  // namespace edgefer
