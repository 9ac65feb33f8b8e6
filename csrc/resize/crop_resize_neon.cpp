#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include "resize/resize.h"

namespace edgefer {
namespace {

// ------------------------------------------------------------------------------------------------ rows to v

// Sums of sixteen columns.
struct Sums16 {
  int32x4_t quarter[4];
};

Sums16 plus_row16(Sums16 sums, uint8x16_t pixels, int16x8_t weight) {
  const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(pixels)));
  const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(pixels));
  return {{vmlal_s16(sums.quarter[0], vget_low_s16(low), vget_low_s16(weight)),
           vmlal_high_s16(sums.quarter[1], low, weight),
           vmlal_s16(sums.quarter[2], vget_low_s16(high), vget_low_s16(weight)),
           vmlal_high_s16(sums.quarter[3], high, weight)}};
}

// The narrowing shift rounds.
void store_v16(Sums16 sums, std::int16_t* to) {
  vst1q_s16(to, vrshrn_high_n_s32(vrshrn_n_s32(sums.quarter[0], 7), sums.quarter[1], 7));
  vst1q_s16(to + 8, vrshrn_high_n_s32(vrshrn_n_s32(sums.quarter[2], 7), sums.quarter[3], 7));
}

// 32 columns of v from `count` rows.
void sum_rows32(const std::uint8_t* from, std::ptrdiff_t stride, std::int32_t count, const std::int16_t* weights,
                std::int16_t* to) {
  const int32x4_t zero = vdupq_n_s32(0);
  Sums16 left{{zero, zero, zero, zero}}, right = left;
  for (std::int32_t k = 0; k < count; ++k, from += stride) {
    const int16x8_t weight = vld1q_dup_s16(weights + k);
    prefetch(from, count * stride);
    left = plus_row16(left, vld1q_u8(from), weight);
    right = plus_row16(right, vld1q_u8(from + 16), weight);
  }
  store_v16(left, to);
  store_v16(right, to + 16);
}

void sum_rows(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t width, std::int32_t count,
              const std::int16_t* weights, std::int16_t* to) {
  if (width < 32) return sum_rows_scalar(from, stride, width, count, weights, to);
  for (std::ptrdiff_t x = 0; x < width; x += 32) {
    const std::ptrdiff_t at = x + 32 <= width ? x : width - 32;  // the last block reaches back
    sum_rows32(from + at, stride, count, weights, to + at);
  }
}

// ------------------------------------------------------------------------------------------------ v to grey levels

// Columns that lie close together: four pixels a step. Two vectors of v are loaded from the first pixel's start on; a
// table look-up brings columns 2k and 2k + 1 of the four pixels beside their weights.
struct Pairs {
  std::uint8_t places[16];  // bytes of the two vectors; beyond them a look-up gives zero
  std::int16_t weights[8];  // 2k of four pixels, then 2k + 1
};
// What `taps` holds: this, then a start for each four pixels, then their Pairs.
struct alignas(16) Arrangement {
  std::int32_t pairs;  // for each pixel; 0 where the columns are too far apart
};

std::ptrdiff_t fours(const Axis& columns) { return (columns.size + 7) / 8 * 2; }

// First pixel of a four; the last eight pixels reach back.
std::ptrdiff_t four_begin(const Axis& columns, std::ptrdiff_t four) {
  const std::ptrdiff_t eight = four / 2 * 8;
  return (eight + 8 <= columns.size ? eight : columns.size - 8) + four % 2 * 4;
}

Arrangement* arrangement(const ResizeScratch& scratch) { return static_cast<Arrangement*>(scratch.taps); }
std::int32_t* starts(const ResizeScratch& scratch) { return reinterpret_cast<std::int32_t*>(arrangement(scratch) + 1); }
Pairs* pairs_of(const Axis& columns, const ResizeScratch& scratch) {
  return reinterpret_cast<Pairs*>(starts(scratch) + (fours(columns) + 3) / 4 * 4);
}

void arrange_four(const Axis& columns, std::ptrdiff_t x, std::int32_t pairs, Pairs* to) {
  const int32x4_t from = vsubq_s32(vld1q_s32(columns.start + x), vdupq_n_s32(columns.start[x]));
  const int16x4_t narrow = vmovn_s32(from);
  // Of column c the bytes 2c and 2c + 1.
  uint16x8_t places = vreinterpretq_u16_s16(vcombine_s16(narrow, vadd_s16(narrow, vdup_n_s16(1))));
  places = vaddq_u16(vmulq_n_u16(places, 0x0202), vdupq_n_u16(0x0100));
  const std::int16_t* weights = columns.weights + columns.first[x];  // each pixel has eight
  const int16x8_t w0 = vld1q_s16(weights), w1 = vld1q_s16(weights + 8);
  const int16x8_t w2 = vld1q_s16(weights + 16), w3 = vld1q_s16(weights + 24);
  const int16x8_t low02 = vzip1q_s16(w0, w2), low13 = vzip1q_s16(w1, w3);
  const int16x8_t high02 = vzip2q_s16(w0, w2), high13 = vzip2q_s16(w1, w3);
  const int16x8_t by_pair[4] = {vzip1q_s16(low02, low13), vzip2q_s16(low02, low13), vzip1q_s16(high02, high13),
                                vzip2q_s16(high02, high13)};
  for (std::int32_t p = 0; p < pairs; ++p) {
    vst1q_u8(to[p].places, vreinterpretq_u8_u16(places));
    vst1q_s16(to[p].weights, by_pair[p]);
    places = vaddq_u16(places, vdupq_n_u16(0x0404));
  }
}

void arrange(const Axis& columns, const ResizeScratch& scratch) {
  Arrangement& how = *arrangement(scratch);
  how.pairs = 0;
  if (columns.most > 8 || columns.size < 8) return;
  for (std::ptrdiff_t x = 0; x + 4 <= columns.size; ++x)
    if (columns.start[x + 3] + columns.count[x + 3] - columns.start[x] > 16) return;
  how.pairs = (columns.most + 1) / 2;
  for (std::ptrdiff_t f = 0; f < fours(columns); ++f) {
    const std::ptrdiff_t x = four_begin(columns, f);
    starts(scratch)[f] = columns.start[x];
    arrange_four(columns, x, how.pairs, pairs_of(columns, scratch) + f * how.pairs);
  }
}

// Four pixels: their sums >> 16.
int16x4_t sum_pairs(const std::int16_t* row, const Pairs* pairs, std::int32_t count) {
  const uint8x16x2_t v{{vreinterpretq_u8_s16(vld1q_s16(row)), vreinterpretq_u8_s16(vld1q_s16(row + 8))}};
  int32x4_t sum = vdupq_n_s32(1 << 20);
  for (std::int32_t p = 0; p < count; ++p) {
    const int16x8_t columns = vreinterpretq_s16_u8(vqtbl2q_u8(v, vld1q_u8(pairs[p].places)));
    const int16x8_t weights = vld1q_s16(pairs[p].weights);
    sum = vmlal_s16(sum, vget_low_s16(columns), vget_low_s16(weights));
    sum = vmlal_high_s16(sum, columns, weights);
  }
  return vshrn_n_s32(sum, 16);
}

void sum_close_columns(const Axis& columns, const ResizeScratch& scratch, std::uint8_t* out) {
  const std::int32_t count = arrangement(scratch)->pairs;
  const Pairs* pairs = pairs_of(columns, scratch);
  const std::int32_t* start = starts(scratch);
  for (std::ptrdiff_t f = 0; f < fours(columns); f += 2, pairs += 2 * count) {
    const int16x4_t low = sum_pairs(scratch.row + start[f], pairs, count);
    const int16x4_t high = sum_pairs(scratch.row + start[f + 1], pairs + count, count);
    vst1_u8(out + four_begin(columns, f), vreinterpret_u8_s8(vshrn_n_s16(vcombine_s16(low, high), 5)));
  }
}

// The four partial sums of one pixel.
int32x4_t products(const std::int16_t* row, const Axis& columns, std::ptrdiff_t x) {
  const std::int16_t* from = row + columns.start[x];
  const std::int16_t* weights = columns.weights + columns.first[x];
  int32x4_t sum = vdupq_n_s32(0);
  for (std::int32_t k = 0; k < columns.count[x]; k += 8) {
    const int16x8_t values = vld1q_s16(from + k), factors = vld1q_s16(weights + k);
    sum = vmlal_s16(sum, vget_low_s16(values), vget_low_s16(factors));
    sum = vmlal_high_s16(sum, values, factors);
  }
  return sum;
}

// Four pixels a step, each with its own loads; adding neighbours twice leaves their sums in order.
void sum_distant_columns(const std::int16_t* row, const Axis& columns, std::uint8_t* out) {
  std::ptrdiff_t x = 0;
  for (; x + 4 <= columns.size; x += 4) {
    const int32x4_t sums = vpaddq_s32(vpaddq_s32(products(row, columns, x), products(row, columns, x + 1)),
                                      vpaddq_s32(products(row, columns, x + 2), products(row, columns, x + 3)));
    const int16x4_t words = vmovn_s32(vrshrq_n_s32(sums, 21));
    const uint8x8_t bytes = vqmovun_s16(vcombine_s16(words, words));
    vst1_lane_u32(reinterpret_cast<std::uint32_t*>(out + x), vreinterpret_u32_u8(bytes), 0);
  }
  sum_columns_scalar(row, columns, x, out);
}

// ------------------------------------------------------------------------------------------------- plain means

// Eight sums of two neighbours of each of two rows.
uint16x8_t sums_of_four8(const std::uint8_t* from, std::ptrdiff_t stride) {
  return vpadalq_u8(vpaddlq_u8(vld1q_u8(from)), vld1q_u8(from + stride));
}

// With weights of 2^13 the two sums and their roundings are one: (sum of the 4 pixels + 2) >> 2.
void mean_of_2x2(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t size, std::uint8_t* out) {
  if (size < 16) return mean_scalar(from, stride, 2, size, out);
  for (std::ptrdiff_t x = 0; x < size; x += 16) {
    const std::ptrdiff_t at = x + 16 <= size ? x : size - 16;  // the last block reaches back
    const uint16x8_t low = sums_of_four8(from + 2 * at, stride), high = sums_of_four8(from + 2 * at + 16, stride);
    vst1q_u8(out + at, vrshrn_high_n_u16(vrshrn_n_u16(low, 2), high, 2));
  }
}

// Four sums of 4 x 4 pixels.
uint32x4_t sums_of_sixteen4(const std::uint8_t* from, std::ptrdiff_t stride) {
  return vpaddlq_u16(vaddq_u16(sums_of_four8(from, stride), sums_of_four8(from + 2 * stride, stride)));
}

// (sum of the 16 pixels + 8) >> 4, for the same reason.
void mean_of_4x4(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t size, std::uint8_t* out) {
  if (size < 8) return mean_scalar(from, stride, 4, size, out);
  for (std::ptrdiff_t x = 0; x < size; x += 8) {
    const std::ptrdiff_t at = x + 8 <= size ? x : size - 8;
    const uint16x4_t low = vmovn_u32(sums_of_sixteen4(from + 4 * at, stride));
    const uint16x4_t high = vmovn_u32(sums_of_sixteen4(from + 4 * at + 16, stride));
    vst1_u8(out + at, vrshrn_n_u16(vcombine_u16(low, high), 4));
  }
}

void resize_row(ImageU8 image, const Axis& columns, const Axis& rows, std::ptrdiff_t y, const ResizeScratch& scratch,
                std::uint8_t* out) {
  const std::uint8_t* from = image.data + (rows.begin + rows.start[y]) * image.row_stride + columns.begin;
  if (columns.factor == 2 && rows.factor == 2) return mean_of_2x2(from, image.row_stride, columns.size, out);
  if (columns.factor == 4 && rows.factor == 4) return mean_of_4x4(from, image.row_stride, columns.size, out);
  sum_rows(from, image.row_stride, columns.end - columns.begin, rows.count[y], rows.weights + rows.first[y],
           scratch.row);
  if (arrangement(scratch)->pairs > 0) {
    sum_close_columns(columns, scratch, out);
  } else {
    sum_distant_columns(scratch.row, columns, out);
  }
}

}  // namespace

const ResizeSteps resize_steps_neon{&arrange, &resize_row};

void crop_resize_u8_neon(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch) {
  crop_resize_by_rows(image, columns, rows, out, scratch, resize_steps_neon);
}

}  // namespace edgefer
#endif
