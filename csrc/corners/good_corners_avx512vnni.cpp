#if defined(__x86_64__)
#include <immintrin.h>

#include "core/target.h"
#include "corners/rows.h"

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

// Of the scores of a strip, row by row as shi_tomasi_strip_avx512vnni leaves them.
struct Pair {
  __m512i odd, even;
};
EDGEFER_ALWAYS_INLINE Pair load(const float* row) { return {_mm512_load_si512(row), _mm512_load_si512(row + 16)}; }
EDGEFER_ALWAYS_INLINE Pair higher_of(Pair a, Pair b) { return {higher(a.odd, b.odd), higher(a.even, b.even)}; }

std::ptrdiff_t strip_peaks(const float* scores, std::ptrdiff_t count, std::uint32_t allowed, float threshold,
                           float& best, std::int32_t* list) {
  const __m512i least = _mm512_add_epi32(_mm512_castps_si512(_mm512_set1_ps(threshold)), _mm512_set1_epi32(1));
  const auto odd_lanes = static_cast<__mmask16>(allowed), even_lanes = static_cast<__mmask16>(allowed >> 16);
  std::ptrdiff_t peak_count = 0;
  std::int32_t row = 0;
  Pair here = load(scores + shi_tomasi_strip);
  Pair two = higher_of(load(scores), here);
  __m512i highest = _mm512_max_epi32(two.odd, two.even);
  for (std::ptrdiff_t y = 0; y < count; ++y) {
    row += shi_tomasi_strip;
    const Pair below = load(scores + row + shi_tomasi_strip), of_columns = higher_of(two, below);
    two = higher_of(here, below);
    const __m512i both = higher(of_columns.odd, of_columns.even);
    highest = higher(highest, both);
    const __m512i enough = higher(both, least);
    const __m512i about_odd = higher(enough, _mm512_alignr_epi32(of_columns.even, of_columns.even, 15));
    const __m512i about_even = higher(enough, _mm512_alignr_epi32(of_columns.odd, of_columns.odd, 1));
    // A score is among the nine, so it is a peak where it equals the highest.
    const __mmask16 odd_peaks = _mm512_mask_cmpeq_epi32_mask(odd_lanes, here.odd, about_odd);
    const __mmask16 even_peaks = _mm512_mask_cmpeq_epi32_mask(even_lanes, here.even, about_even);
    // The first without a branch, as nobody can foresee it; few rows have a second.
    std::uint32_t peaks = _mm512_kunpackw(even_peaks, odd_peaks);
    list[peak_count] = row + __builtin_ctz(peaks | 1u << 31);
    peak_count += peaks != 0;
    for (peaks &= peaks - 1; peaks != 0; peaks &= peaks - 1) list[peak_count++] = row + __builtin_ctz(peaks);
    here = below;
  }
  const float of_strip = _mm512_mask_reduce_max_ps(0x7FFF, _mm512_castsi512_ps(highest));
  best = best < of_strip ? of_strip : best;
  return peak_count;
}

constexpr CornerStrips strips = {
    &shi_tomasi_strip_avx512vnni, &strip_peaks, {1, 3, 5, 7, 9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 0,
                                                 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 0}};

}  // namespace

std::ptrdiff_t good_corners_u8_avx512vnni(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  if (suits_strips(image, mask, limits)) return good_corners_by_strips(image, limits, scratch, strips);
  return good_corners_by_rows(image, mask, limits, scratch, shi_tomasi_rows_avx512vnni, &peaks_avx512vnni);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
