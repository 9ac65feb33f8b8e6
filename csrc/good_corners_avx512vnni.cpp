#if defined(__x86_64__)
#include <immintrin.h>

#include "good_corners.h"
#include "target.h"

#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // of the undefined operands in GCC's own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

EDGEFER_BEGIN_AVX512VNNI

namespace edgefer {
namespace {

// The higher of two scores: as they are not negative, their bits have the same order, and integers compare faster.
__m512i higher(__m512i a, __m512i b) { return _mm512_max_epi32(a, b); }

__m512i highest_of_column(ScoreRows rows, std::ptrdiff_t x) {
  const __m512i outer = higher(_mm512_loadu_si512(rows.above + x), _mm512_loadu_si512(rows.below + x));
  return higher(outer, _mm512_loadu_si512(rows.here + x));
}

// The lanes [0, count).
__mmask16 first_lanes(std::ptrdiff_t count) { return static_cast<__mmask16>(count < 16 ? (1u << count) - 1 : 0xFFFF); }

std::ptrdiff_t peaks_avx512vnni(std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask, float threshold,
                                std::int32_t place, CornerKey* keys, float& best) {
  // Where the peaks are goes into a list first, as nobody can foresee how many of them a vector has.
  std::int32_t list[shi_tomasi_tile + 64];
  std::ptrdiff_t count = 0;
  const __m512i above_threshold = _mm512_castps_si512(_mm512_set1_ps(threshold));
  __m512i columns = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i row_best = _mm512_setzero_si512();
  // No score is as high as what is put before the first column, so that it has no peak.
  __m512i before = _mm512_set1_epi32(INT32_MAX), now = highest_of_column(rows, 0);
  for (std::ptrdiff_t x = 0; x < width; x += 16) {
    const __m512i after = highest_of_column(rows, x + 16);
    __mmask16 allowed = first_lanes(width - x);
    if (mask) {
      const __m512i bytes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(allowed, mask + x));
      allowed = _mm512_test_epi32_mask(bytes, bytes);
    }
    const __m512i value = _mm512_maskz_loadu_epi32(allowed, rows.here + x);
    row_best = higher(row_best, value);
    // The value is among the nine, so it is a peak where it equals the highest.
    const __m512i sides = higher(_mm512_alignr_epi32(now, before, 15), _mm512_alignr_epi32(after, now, 1));
    const __mmask16 enough = _mm512_mask_cmpgt_epi32_mask(first_lanes(width - 1 - x), value, above_threshold);
    const __mmask16 peak = _mm512_mask_cmpeq_epi32_mask(enough, value, higher(sides, now));
    _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(peak, columns));
    count += __builtin_popcount(peak);
    columns = _mm512_add_epi32(columns, _mm512_set1_epi32(16));
    before = now;
    now = after;
  }
  // It seldom rises.
  const __m512i best_so_far = _mm512_castps_si512(_mm512_set1_ps(best));
  if (_mm512_cmpgt_epi32_mask(row_best, best_so_far) != 0) best = _mm512_reduce_max_ps(_mm512_castsi512_ps(row_best));
  corner_keys(count, list, rows.here, place, keys);
  return count;
}

}  // namespace

std::ptrdiff_t good_corners_u8_avx512vnni(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_rows(image, mask, limits, scratch, shi_tomasi_rows_avx512vnni, &peaks_avx512vnni);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
