#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include <cstring>  // memcpy

#include "kernels.h"
#include "target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load16(const std::uint8_t* from) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Sixteen columns of v from `count` rows, two rows a step.
void sum_rows16(const std::uint8_t* from, std::ptrdiff_t stride, std::int32_t count, const std::int16_t* weights,
                std::int16_t* to) {
  // low holds columns 0-3 and 8-11, high 4-7 and 12-15: the lanes of unpacking, put right again by packing.
  __m256i low = _mm256_set1_epi32(1 << 6), high = low;
  std::int32_t k = 0;
  for (; k + 1 < count; k += 2, from += 2 * stride) {
    std::int32_t pair;  // weights k and k + 1
    std::memcpy(&pair, weights + k, sizeof pair);
    const __m256i weight = _mm256_set1_epi32(pair);
    const __m256i a = load16(from), b = load16(from + stride);
    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), weight));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), weight));
  }
  if (k < count) {
    const __m256i weight = _mm256_set1_epi32(static_cast<std::uint16_t>(weights[k]));
    const __m256i a = load16(from);
    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, a), weight));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, a), weight));
  }
  const __m256i packed = _mm256_packs_epi32(_mm256_srai_epi32(low, 7), _mm256_srai_epi32(high, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
}

void sum_rows(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t width, std::int32_t count,
              const std::int16_t* weights, std::int16_t* to) {
  if (width >= 16) {
    for (std::ptrdiff_t x = 0; x < width; x += 16) {
      const std::ptrdiff_t at = x + 16 <= width ? x : width - 16;  // the last block reaches back
      sum_rows16(from + at, stride, count, weights, to + at);
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
  std::int32_t sum = 1 << 20;
  for (std::int32_t k = 0; k < columns.count[x]; ++k)
    sum += columns.weights[columns.first[x] + k] * row[columns.start[x] + k];
  return static_cast<std::uint8_t>(sum >> 21);
}

void store_grey8(__m256i sums, std::uint8_t* to) {
  const __m256i grey = _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(1 << 20)), 21);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(grey), _mm256_extracti128_si256(grey, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
}

// Eight s16 from each of two places.
__m256i load8_twice(const std::int16_t* low, const std::int16_t* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low))),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

// Partial sums of pixels x and x + 4, each of at most eight columns, one to a lane.
__m256i products_of_two(const std::int16_t* row, const Axis& columns, std::ptrdiff_t x) {
  const std::int16_t* weights = columns.weights + columns.first[x];  // each pixel has eight: x + 4 is 32 further
  return _mm256_madd_epi16(load8_twice(row + columns.start[x], row + columns.start[x + 4]),
                           load8_twice(weights, weights + 32));
}

// Pixels x to x + 7, each of at most eight columns; adding neighbours twice leaves 0 1 2 3 | 4 5 6 7.
void sum_eight_columns8(const std::int16_t* row, const Axis& columns, std::ptrdiff_t x, std::uint8_t* to) {
  const __m256i a = _mm256_hadd_epi32(products_of_two(row, columns, x), products_of_two(row, columns, x + 1));
  const __m256i b = _mm256_hadd_epi32(products_of_two(row, columns, x + 2), products_of_two(row, columns, x + 3));
  store_grey8(_mm256_hadd_epi32(a, b), to);
}

// The four partial sums of one pixel.
__m128i products(const std::int16_t* row, const Axis& columns, std::ptrdiff_t x) {
  const std::int16_t* from = row + columns.start[x];
  const std::int16_t* weights = columns.weights + columns.first[x];
  __m128i sum = _mm_setzero_si128();
  for (std::int32_t k = 0; k < columns.count[x]; k += 8)
    sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + k)),
                                            _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + k))));
  return sum;
}

void sum_columns4(const std::int16_t* row, const Axis& columns, std::ptrdiff_t x, std::uint8_t* to) {
  const __m128i sums = _mm_hadd_epi32(_mm_hadd_epi32(products(row, columns, x), products(row, columns, x + 1)),
                                      _mm_hadd_epi32(products(row, columns, x + 2), products(row, columns, x + 3)));
  const __m128i grey = _mm_srai_epi32(_mm_add_epi32(sums, _mm_set1_epi32(1 << 20)), 21);
  const __m128i words = _mm_packs_epi32(grey, grey);
  const std::int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  std::memcpy(to, &bytes, sizeof bytes);
}

}  // namespace

void resize_row_u8_avx2(ImageU8 image, const Axis& columns, const Axis& rows, std::ptrdiff_t y, ResizeScratch scratch,
                        std::uint8_t* out) {
  sum_rows(image.data + (rows.begin + rows.start[y]) * image.row_stride + columns.begin, image.row_stride,
           columns.end - columns.begin, rows.count[y], rows.weights + rows.first[y], scratch.row);
  std::ptrdiff_t x = 0;
  if (columns.most <= 8) {
    for (; x + 8 <= columns.size; x += 8) sum_eight_columns8(scratch.row, columns, x, out + x);
  } else {
    for (; x + 4 <= columns.size; x += 4) sum_columns4(scratch.row, columns, x, out + x);
  }
  for (; x < columns.size; ++x) out[x] = sum_columns(scratch.row, columns, x);
}

void crop_resize_u8_avx2(ImageU8 image, const Axis& columns, const Axis& rows, ResizeScratch scratch, OutputU8 out) {
  for (std::ptrdiff_t y = 0; y < out.height; ++y)
    resize_row_u8_avx2(image, columns, rows, y, scratch, out.data + y * out.row_stride);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
