#if defined(__x86_64__)
#include <immintrin.h>

#include "good_corners.h"
#include "target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

// All ones in the lanes whose byte of the mask is not zero.
__m256 allowed(const std::uint8_t* mask) {
  const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(mask)));
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(bytes, _mm256_setzero_si256()));
}

float best_avx2(std::ptrdiff_t width, const float* scores, const std::uint8_t* mask) {
  if (width < 8) return corner_rows_scalar.best(width, scores, mask);
  __m256 best = _mm256_setzero_ps();
  for (std::ptrdiff_t x = 0; x < width; x += 8) {
    const std::ptrdiff_t i = x + 8 <= width ? x : width - 8;  // the last vector overlaps
    const __m256 value = _mm256_loadu_ps(scores + i);
    best = _mm256_max_ps(best, mask ? _mm256_and_ps(value, allowed(mask + i)) : value);
  }
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(best), _mm256_extractf128_ps(best, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_shuffle_ps(four, four, 1)));
}

std::ptrdiff_t peaks_avx2(std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask, float threshold,
                          std::int32_t place, CornerKey* keys) {
  // The highest of each column first, so that nearly all vectors are read once.
  float columns[shi_tomasi_tile + 64];
  for (std::ptrdiff_t x = 0; x < width; x += 8) {
    const __m256 outer = _mm256_max_ps(_mm256_loadu_ps(rows.above + x), _mm256_loadu_ps(rows.below + x));
    _mm256_storeu_ps(columns + x, _mm256_max_ps(outer, _mm256_loadu_ps(rows.here + x)));
  }
  const __m256 above_threshold = _mm256_set1_ps(threshold);
  std::ptrdiff_t count = 0, x = 1;
  for (; x + 8 < width; x += 8) {
    const __m256 value = _mm256_loadu_ps(rows.here + x);
    // The value is among the nine, so it is a peak where it equals the highest.
    const __m256 sides = _mm256_max_ps(_mm256_loadu_ps(columns + x - 1), _mm256_loadu_ps(columns + x + 1));
    const __m256 highest = _mm256_max_ps(sides, _mm256_loadu_ps(columns + x));
    __m256 peak =
        _mm256_and_ps(_mm256_cmp_ps(value, highest, _CMP_GE_OQ), _mm256_cmp_ps(value, above_threshold, _CMP_GT_OQ));
    if (mask) peak = _mm256_and_ps(peak, allowed(mask + x));
    for (unsigned lanes = static_cast<unsigned>(_mm256_movemask_ps(peak)); lanes != 0; lanes &= lanes - 1) {
      const std::ptrdiff_t at = x + __builtin_ctz(lanes);
      keys[count++] = corner_key(rows.here[at], place + at);
    }
  }
  return count + corner_peaks(x, width, rows, mask, threshold, place, keys + count);
}

}  // namespace

const CornerRows corner_rows_avx2 = {&best_avx2, &peaks_avx2};

std::ptrdiff_t good_corners_u8_avx2(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_rows(image, mask, limits, scratch, shi_tomasi_rows_avx2, corner_rows_avx2);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
