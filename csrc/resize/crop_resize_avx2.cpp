#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include <cstring>  // memcpy

#include "core/target.h"
#include "resize/resize.h"

EDGEFER_BEGIN_AVX2

// Vectors of 512 bits gained 6 % (200 px to 64) to 18 % (250 px to 64) of stack in a trial, and lost in crop_resize
// from 48 px: the rows, most of the work, are no faster there. That is too little for a variant of its own.

namespace edgefer {
namespace {

// ------------------------------------------------------------------------------------------------ rows to v

__m256i load32(const std::uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

// 32 columns of v from `pairs` pairs of rows; where the count is odd the last weight is zero, and the last row is
// taken twice.
void sum_rows32(const std::uint8_t* from, std::ptrdiff_t stride, std::int32_t count, const std::int16_t* weights,
                std::int16_t* to) {
  // In each 128-bit lane: columns 0-3, 4-7, 8-11 and 12-15 of its sixteen.
  const __m256i half = _mm256_set1_epi32(1 << 6), zero = _mm256_setzero_si256();
  __m256i sum0 = half, sum1 = half, sum2 = half, sum3 = half;
  for (std::int32_t k = 0; k < count; k += 2) {
    std::int32_t pair;  // weights k and k + 1
    std::memcpy(&pair, weights + k, sizeof pair);
    const __m256i weight = _mm256_set1_epi32(pair);
    const __m256i a = load32(from), b = load32(k + 1 < count ? from + stride : from);
    prefetch(from, count * stride);
    prefetch(from, (count + 1) * stride);
    from += 2 * stride;
    const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
    sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(_mm256_unpacklo_epi8(low, zero), weight));
    sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(_mm256_unpackhi_epi8(low, zero), weight));
    sum2 = _mm256_add_epi32(sum2, _mm256_madd_epi16(_mm256_unpacklo_epi8(high, zero), weight));
    sum3 = _mm256_add_epi32(sum3, _mm256_madd_epi16(_mm256_unpackhi_epi8(high, zero), weight));
  }
  const __m256i low = _mm256_packs_epi32(_mm256_srai_epi32(sum0, 7), _mm256_srai_epi32(sum1, 7));
  const __m256i high = _mm256_packs_epi32(_mm256_srai_epi32(sum2, 7), _mm256_srai_epi32(sum3, 7));
  auto* lanes = reinterpret_cast<__m128i*>(to);
  _mm_storeu_si128(lanes, _mm256_castsi256_si128(low));
  _mm_storeu_si128(lanes + 1, _mm256_castsi256_si128(high));
  _mm_storeu_si128(lanes + 2, _mm256_extracti128_si256(low, 1));
  _mm_storeu_si128(lanes + 3, _mm256_extracti128_si256(high, 1));
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

// Columns that lie close together: sixteen pixels a step, four to a 128-bit lane, 0-3 | 8-11 in one register and
// 4-7 | 12-15 in the other, so that packing the two leaves all in order. A lane loads one or two vectors of v from
// its first pixel's start on; a shuffle brings the k-th pair of columns of its four pixels to their k-th weights.
constexpr std::ptrdiff_t lane_pixels[4] = {0, 8, 4, 12};

struct alignas(32) Pairs {
  std::uint8_t first[32], second[32];  // shuffle of either vector; bytes from 128 on give zero
  std::int16_t weights[32];
};
// What `taps` holds: this, then four starts a block, then Pairs, those of a block's first register before the second's.
struct alignas(32) Arrangement {
  std::int32_t pairs;  // for each pixel; 0 where the columns are too far apart
  bool two_vectors;
};

std::ptrdiff_t blocks(const Axis& columns) { return (columns.size + 15) / 16; }

std::ptrdiff_t block_begin(const Axis& columns, std::ptrdiff_t block) {
  return 16 * block + 16 <= columns.size ? 16 * block : columns.size - 16;  // the last block reaches back
}

Arrangement* arrangement(const ResizeScratch& scratch) { return static_cast<Arrangement*>(scratch.taps); }
std::int32_t* starts(const ResizeScratch& scratch) { return reinterpret_cast<std::int32_t*>(arrangement(scratch) + 1); }
Pairs* pairs_of(const Axis& columns, const ResizeScratch& scratch) {
  return reinterpret_cast<Pairs*>(starts(scratch) + (blocks(columns) + 1) / 2 * 8);
}

__m128i load8(const std::int16_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }

// The shuffles and weights of pixels x to x + 3, as 16 bytes at `offset` of each of their Pairs.
void arrange_lane(const Axis& columns, std::ptrdiff_t x, std::int32_t pairs, Pairs* to, std::ptrdiff_t offset) {
  const auto* start = reinterpret_cast<const __m128i*>(columns.start + x);
  const __m128i from = _mm_sub_epi32(_mm_loadu_si128(start), _mm_set1_epi32(columns.start[x]));
  // Bytes 2 from + 0, 1, 2, 3 of the two vectors.
  __m128i bytes = _mm_add_epi8(_mm_mullo_epi32(from, _mm_set1_epi32(0x02020202)), _mm_set1_epi32(0x03020100));
  const std::int16_t* weights = columns.weights + columns.first[x];  // each pixel has eight
  const __m128i w0 = load8(weights), w1 = load8(weights + 8), w2 = load8(weights + 16), w3 = load8(weights + 24);
  const __m128i low0 = _mm_unpacklo_epi32(w0, w1), low1 = _mm_unpacklo_epi32(w2, w3);
  const __m128i high0 = _mm_unpackhi_epi32(w0, w1), high1 = _mm_unpackhi_epi32(w2, w3);
  const __m128i by_pair[4] = {_mm_unpacklo_epi64(low0, low1), _mm_unpackhi_epi64(low0, low1),
                              _mm_unpacklo_epi64(high0, high1), _mm_unpackhi_epi64(high0, high1)};
  for (std::int32_t p = 0; p < pairs; ++p) {
    // Past the second vector a shuffle brings anything, but there weights are zero.
    _mm_store_si128(reinterpret_cast<__m128i*>(to[p].first + offset), _mm_add_epi8(bytes, _mm_set1_epi8(0x70)));
    _mm_store_si128(reinterpret_cast<__m128i*>(to[p].second + offset), _mm_sub_epi8(bytes, _mm_set1_epi8(0x10)));
    _mm_store_si128(reinterpret_cast<__m128i*>(to[p].weights) + offset / 16, by_pair[p]);
    bytes = _mm_add_epi8(bytes, _mm_set1_epi8(4));
  }
}

void arrange(const Axis& columns, const ResizeScratch& scratch) {
  Arrangement& how = *arrangement(scratch);
  how = {0, false};
  if (columns.most > 8 || columns.size < 16) return;
  std::int32_t reach = 0;
  for (std::ptrdiff_t x = 0; x + 4 <= columns.size; ++x) {
    const std::int32_t end = columns.start[x + 3] + columns.count[x + 3] - columns.start[x];
    reach = end > reach ? end : reach;
  }
  if (reach > 16) return;
  how = {(columns.most + 1) / 2, reach > 8};
  for (std::ptrdiff_t b = 0; b < blocks(columns); ++b)
    for (int lane = 0; lane < 4; ++lane) {
      const std::ptrdiff_t x = block_begin(columns, b) + lane_pixels[lane];
      starts(scratch)[4 * b + lane] = columns.start[x];
      arrange_lane(columns, x, how.pairs, pairs_of(columns, scratch) + (2 * b + lane / 2) * how.pairs, lane % 2 * 16);
    }
}

__m256i load8_twice(const std::int16_t* low, const std::int16_t* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load8(low)), load8(high), 1);
}

__m256i load_pairs(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }

__m256i sum_pairs(const std::int16_t* low, const std::int16_t* high, const Pairs* pairs, std::int32_t count) {
  const __m256i v = load8_twice(low, high);
  __m256i sum = _mm256_set1_epi32(1 << 20);
  for (std::int32_t p = 0; p < count; ++p)
    sum = _mm256_add_epi32(
        sum, _mm256_madd_epi16(_mm256_shuffle_epi8(v, load_pairs(pairs[p].first)), load_pairs(pairs[p].weights)));
  return sum;
}

__m256i sum_pairs_of_two(const std::int16_t* low, const std::int16_t* high, const Pairs* pairs, std::int32_t count) {
  const __m256i v = load8_twice(low, high), w = load8_twice(low + 8, high + 8);
  __m256i sum = _mm256_set1_epi32(1 << 20);
  for (std::int32_t p = 0; p < count; ++p) {
    const __m256i both = _mm256_or_si256(_mm256_shuffle_epi8(v, load_pairs(pairs[p].first)),
                                         _mm256_shuffle_epi8(w, load_pairs(pairs[p].second)));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(both, load_pairs(pairs[p].weights)));
  }
  return sum;
}

void sum_close_columns(const Axis& columns, const ResizeScratch& scratch, std::uint8_t* out) {
  const Arrangement& how = *arrangement(scratch);
  const Pairs* pairs = pairs_of(columns, scratch);
  const std::int32_t* start = starts(scratch);
  for (std::ptrdiff_t b = 0; b < blocks(columns); ++b, pairs += 2 * how.pairs, start += 4) {
    const std::int16_t* v[4] = {scratch.row + start[0], scratch.row + start[1], scratch.row + start[2],
                                scratch.row + start[3]};
    __m256i first, second;
    if (how.two_vectors) {
      first = sum_pairs_of_two(v[0], v[1], pairs, how.pairs);
      second = sum_pairs_of_two(v[2], v[3], pairs + how.pairs, how.pairs);
    } else {
      first = sum_pairs(v[0], v[1], pairs, how.pairs);
      second = sum_pairs(v[2], v[3], pairs + how.pairs, how.pairs);
    }
    const __m256i words = _mm256_packs_epi32(_mm256_srai_epi32(first, 21), _mm256_srai_epi32(second, 21));
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + block_begin(columns, b)), bytes);
  }
}

// The four partial sums of one pixel.
__m128i products(const std::int16_t* row, const Axis& columns, std::ptrdiff_t x) {
  const std::int16_t* from = row + columns.start[x];
  const std::int16_t* weights = columns.weights + columns.first[x];
  __m128i sum = _mm_setzero_si128();
  for (std::int32_t k = 0; k < columns.count[x]; k += 8)
    sum = _mm_add_epi32(sum, _mm_madd_epi16(load8(from + k), load8(weights + k)));
  return sum;
}

__m128i grey4(__m128i sums) {
  const __m128i grey = _mm_srai_epi32(_mm_add_epi32(sums, _mm_set1_epi32(1 << 20)), 21);
  return _mm_packs_epi32(grey, grey);
}

// Partial sums of pixels x and x + 4, each of at most eight columns, one to a lane.
__m256i products_of_two(const std::int16_t* row, const Axis& columns, std::ptrdiff_t x) {
  const std::int16_t* weights = columns.weights + columns.first[x];  // each pixel has eight: x + 4 is 32 further
  return _mm256_madd_epi16(load8_twice(row + columns.start[x], row + columns.start[x + 4]),
                           load8_twice(weights, weights + 32));
}

// Each pixel with its own loads, eight or four a step; adding neighbours twice leaves their sums in order.
void sum_distant_columns(const std::int16_t* row, const Axis& columns, std::uint8_t* out) {
  std::ptrdiff_t x = 0;
  for (; columns.most <= 8 && x + 8 <= columns.size; x += 8) {
    const __m256i a = _mm256_hadd_epi32(products_of_two(row, columns, x), products_of_two(row, columns, x + 1));
    const __m256i b = _mm256_hadd_epi32(products_of_two(row, columns, x + 2), products_of_two(row, columns, x + 3));
    const __m256i sums = _mm256_hadd_epi32(a, b);
    const __m128i words =
        _mm_unpacklo_epi64(grey4(_mm256_castsi256_si128(sums)), grey4(_mm256_extracti128_si256(sums, 1)));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + x), _mm_packus_epi16(words, words));
  }
  for (; x + 4 <= columns.size; x += 4) {
    const __m128i words =
        grey4(_mm_hadd_epi32(_mm_hadd_epi32(products(row, columns, x), products(row, columns, x + 1)),
                             _mm_hadd_epi32(products(row, columns, x + 2), products(row, columns, x + 3))));
    const std::int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(out + x, &bytes, sizeof bytes);
  }
  sum_columns_scalar(row, columns, x, out);
}

// ------------------------------------------------------------------------------------------------- plain means

// Sixteen sums of two neighbours of each of two rows.
__m256i sums_of_four16(const std::uint8_t* from, std::ptrdiff_t stride) {
  const __m256i ones = _mm256_set1_epi8(1);
  return _mm256_add_epi16(_mm256_maddubs_epi16(load32(from), ones), _mm256_maddubs_epi16(load32(from + stride), ones));
}

// With weights of 2^13 the two sums and their roundings are one: (sum of the 4 pixels + 2) >> 2.
void mean_of_2x2(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t size, std::uint8_t* out) {
  if (size < 32) return mean_scalar(from, stride, 2, size, out);
  const __m256i half = _mm256_set1_epi16(2);
  for (std::ptrdiff_t x = 0; x < size; x += 32) {
    const std::ptrdiff_t at = x + 32 <= size ? x : size - 32;  // the last block reaches back
    const __m256i a = _mm256_srli_epi16(_mm256_add_epi16(sums_of_four16(from + 2 * at, stride), half), 2);
    const __m256i b = _mm256_srli_epi16(_mm256_add_epi16(sums_of_four16(from + 2 * at + 32, stride), half), 2);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + at),
                        _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8));
  }
}

// Eight means of 4 x 4 pixels as s32: (sum of the 16 pixels + 8) >> 4, for the same reason.
__m256i mean_of_4x4_8(const std::uint8_t* from, std::ptrdiff_t stride) {
  const __m256i pairs = _mm256_add_epi16(sums_of_four16(from, stride), sums_of_four16(from + 2 * stride, stride));
  const __m256i sums = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  return _mm256_srli_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(8)), 4);
}

void mean_of_4x4(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t size, std::uint8_t* out) {
  if (size < 16) return mean_scalar(from, stride, 4, size, out);
  for (std::ptrdiff_t x = 0; x < size; x += 16) {
    const std::ptrdiff_t at = x + 16 <= size ? x : size - 16;
    // Packing leaves 0-3 8-11 | 4-7 12-15.
    const __m256i words =
        _mm256_packs_epi32(mean_of_4x4_8(from + 4 * at, stride), mean_of_4x4_8(from + 4 * at + 32, stride));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + at),
                     _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1)));
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
  // GCC 12 adds none here by itself; without it the SSE code of our callers runs several times slower.
  _mm256_zeroupper();
}

}  // namespace

const ResizeSteps resize_steps_avx2{&arrange, &resize_row};

void crop_resize_u8_avx2(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch) {
  crop_resize_by_rows(image, columns, rows, out, scratch, resize_steps_avx2);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
