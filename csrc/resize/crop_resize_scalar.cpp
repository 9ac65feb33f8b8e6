#include <algorithm>  // fill

#include "resize/resize.h"

namespace edgefer {
namespace {

std::ptrdiff_t rounded_up(std::ptrdiff_t bytes) { return (bytes + 63) / 64 * 64; }

std::ptrdiff_t sums_bytes(const Axis& columns) {
  return rounded_up((columns.end - columns.begin) * static_cast<std::ptrdiff_t>(sizeof(std::int32_t)));
}

std::ptrdiff_t row_bytes(const Axis& columns) {
  return rounded_up((columns.end - columns.begin + resize_row_slack) *
                    static_cast<std::ptrdiff_t>(sizeof(std::int16_t)));
}

void resize_row_scalar(ImageU8 image, const Axis& columns, const Axis& rows, std::ptrdiff_t y,
                       const ResizeScratch& scratch, std::uint8_t* out) {
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
  sum_columns_scalar(scratch.row, columns, 0, out);
}

}  // namespace

const ResizeSteps resize_steps_scalar{nullptr, &resize_row_scalar};

void sum_rows_scalar(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t width, std::int32_t count,
                     const std::int16_t* weights, std::int16_t* to) {
  for (std::ptrdiff_t x = 0; x < width; ++x) {
    std::int32_t sum = 1 << 6;
    for (std::int32_t k = 0; k < count; ++k) sum += weights[k] * from[k * stride + x];
    to[x] = static_cast<std::int16_t>(sum >> 7);
  }
}

void sum_columns_scalar(const std::int16_t* row, const Axis& columns, std::ptrdiff_t begin, std::uint8_t* out) {
  for (std::ptrdiff_t x = begin; x < columns.size; ++x) {
    const std::int16_t* from = row + columns.start[x];
    const std::int16_t* weights = columns.weights + columns.first[x];
    std::int32_t sum = 1 << 20;
    for (std::int32_t k = 0; k < columns.count[x]; ++k) sum += weights[k] * from[k];
    out[x] = static_cast<std::uint8_t>(sum >> 21);
  }
}

void mean_scalar(const std::uint8_t* from, std::ptrdiff_t stride, int factor, std::ptrdiff_t size, std::uint8_t* out) {
  const int pixels = factor * factor;
  for (std::ptrdiff_t x = 0; x < size; ++x) {
    int sum = pixels / 2;
    for (int row = 0; row < factor; ++row)
      for (int column = 0; column < factor; ++column) sum += from[row * stride + factor * x + column];
    out[x] = static_cast<std::uint8_t>(sum / pixels);
  }
}

std::ptrdiff_t resize_taps_bytes(std::ptrdiff_t size) { return 64 + (size + 15) / 16 * (16 + 16 * 64); }

ResizeScratch resize_scratch(const Axis& columns, void* memory) {
  auto* bytes = static_cast<std::uint8_t*>(memory);
  return {reinterpret_cast<std::int32_t*>(bytes), reinterpret_cast<std::int16_t*>(bytes + sums_bytes(columns)),
          bytes + sums_bytes(columns) + row_bytes(columns)};
}

std::size_t crop_resize_scratch_bytes(const Axis& columns) {
  return static_cast<std::size_t>(sums_bytes(columns) + row_bytes(columns) +
                                  rounded_up(resize_taps_bytes(columns.size)));
}

void crop_resize_by_rows(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch,
                         const ResizeSteps& steps) {
  const ResizeScratch memory = resize_scratch(columns, scratch);
  if (steps.arrange) steps.arrange(columns, memory);
  for (std::ptrdiff_t y = 0; y < out.height; ++y)
    steps.row(image, columns, rows, y, memory, out.data + y * out.row_stride);
}

void crop_resize_u8_scalar(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch) {
  crop_resize_by_rows(image, columns, rows, out, scratch, resize_steps_scalar);
}

}  // namespace edgefer
