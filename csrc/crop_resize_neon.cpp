#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include "kernels.h"

namespace edgefer {
namespace {

// Eight columns of v from `count` rows; the narrowing shift rounds.
void sum_rows8(const std::uint8_t* from, std::ptrdiff_t stride, std::int32_t count, const std::int16_t* weights,
               std::int16_t* to) {
  int32x4_t low = vdupq_n_s32(0), high = low;
  for (std::int32_t k = 0; k < count; ++k, from += stride) {
    const int16x8_t pixels = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(from)));
    low = vmlal_n_s16(low, vget_low_s16(pixels), weights[k]);
    high = vmlal_n_s16(high, vget_high_s16(pixels), weights[k]);
  }
  vst1q_s16(to, vcombine_s16(vrshrn_n_s32(low, 7), vrshrn_n_s32(high, 7)));
}

void sum_rows(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t width, std::int32_t count,
              const std::int16_t* weights, std::int16_t* to) {
  if (width >= 8) {
    for (std::ptrdiff_t x = 0; x < width; x += 8) {
      const std::ptrdiff_t at = x + 8 <= width ? x : width - 8;  // the last block reaches back
      sum_rows8(from + at, stride, count, weights, to + at);
    }
    return;
  }
  for (std::ptrdiff_t x = 0; x < width; ++x) {
    std::int32_t sum = 1 << 6;
    for (std::int32_t k = 0; k < count; ++k) sum += weights[k] * from[k * stride + x];
    to[x] = static_cast<std::int16_t>(sum >> 7);
  }
}

std::uint8_t sum_columns(const std::int16_t* row, const Axis& columns, std::ptrdiff_t x) {
  const std::int16_t* from = row + columns.start[x];
  const std::int16_t* weights = columns.weights + columns.first[x];
  const std::int32_t count = columns.count[x];
  if (count <= 2)  // the second weight is zero where there is one column
    return static_cast<std::uint8_t>((from[0] * weights[0] + from[1] * weights[1] + (1 << 20)) >> 21);
  int32x4_t sum = vdupq_n_s32(0);
  for (std::int32_t k = 0; k < count; k += 8) {
    const int16x8_t values = vld1q_s16(from + k), factors = vld1q_s16(weights + k);
    sum = vmlal_s16(sum, vget_low_s16(values), vget_low_s16(factors));
    sum = vmlal_high_s16(sum, values, factors);
  }
  return static_cast<std::uint8_t>((vaddvq_s32(sum) + (1 << 20)) >> 21);
}

}  // namespace

void resize_row_u8_neon(ImageU8 image, const Axis& columns, const Axis& rows, std::ptrdiff_t y, ResizeScratch scratch,
                        std::uint8_t* out) {
  sum_rows(image.data + (rows.begin + rows.start[y]) * image.row_stride + columns.begin, image.row_stride,
           columns.end - columns.begin, rows.count[y], rows.weights + rows.first[y], scratch.row);
  for (std::ptrdiff_t x = 0; x < columns.size; ++x) out[x] = sum_columns(scratch.row, columns, x);
}

void crop_resize_u8_neon(ImageU8 image, const Axis& columns, const Axis& rows, ResizeScratch scratch, OutputU8 out) {
  for (std::ptrdiff_t y = 0; y < out.height; ++y)
    resize_row_u8_neon(image, columns, rows, y, scratch, out.data + y * out.row_stride);
}

}  // namespace edgefer
#endif
