#if defined(__x86_64__)
#include <immintrin.h>

#include "core/target.h"
#include "corners/rows.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
void store(void* p, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(p), value); }

// The higher of two scores: as they are not negative, their bits have the same order, and integers compare faster.
__m256i higher(__m256i a, __m256i b) { return _mm256_max_epi32(a, b); }

// All ones in the first `count` lanes whose byte of the mask is not zero; reads no more of them.
__m256i allowed(const std::uint8_t* mask, std::ptrdiff_t count) {
  std::uint8_t few[8] = {};
  if (count < 8) mask = static_cast<std::uint8_t*>(std::memcpy(few, mask, static_cast<std::size_t>(count)));
  const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(mask)));
  return _mm256_cmpgt_epi32(bytes, _mm256_setzero_si256());
}

// For eight bits, the places of those that are set, a byte each, the lowest first.
struct Places {
  std::uint64_t of[256];
};
constexpr Places make_places() {
  Places places{};
  for (unsigned bits = 0; bits < 256; ++bits)
    for (unsigned place = 0, at = 0; place < 8; ++place)
      if (bits >> place & 1) places.of[bits] |= std::uint64_t{place} << 8 * at++;
  return places;
}
constexpr Places places = make_places();

std::ptrdiff_t peaks_avx2(std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask, float threshold,
                          std::int32_t place, CornerKey* keys, float& best) {
  // The highest of each column first, so that nearly all vectors are read once.
  std::int32_t of_columns[8 + shi_tomasi_tile + 64];
  std::int32_t* const columns = of_columns + 8;
  columns[-1] = INT32_MAX;  // higher than any score, so that the first column has no peak
  for (std::ptrdiff_t x = 0; x <= width; x += 8)
    store(columns + x, higher(higher(load(rows.above + x), load(rows.below + x)), load(rows.here + x)));
  columns[width] = INT32_MAX;
  // Where the peaks are goes into a list, as nobody can foresee how many of them a vector has.
  std::int32_t list[shi_tomasi_tile + 64];
  std::ptrdiff_t count = 0;
  const __m256i above_threshold = _mm256_castps_si256(_mm256_set1_ps(threshold));
  const __m256i order = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256i row_best = _mm256_setzero_si256();
  for (std::ptrdiff_t x = 0; x < width; x += 8) {
    __m256i value = load(rows.here + x);
    if (x + 8 > width)
      value = _mm256_and_si256(value, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(width - x)), order));
    if (mask) value = _mm256_and_si256(value, allowed(mask + x, width - x));
    row_best = higher(row_best, value);
    // The value is among the nine, so it is a peak where it equals the highest.
    const __m256i sides = higher(load(columns + x - 1), load(columns + x + 1));
    const __m256i highest = higher(sides, load(columns + x));
    const __m256i peak =
        _mm256_and_si256(_mm256_cmpeq_epi32(value, highest), _mm256_cmpgt_epi32(value, above_threshold));
    const auto lanes = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(peak)));
    const __m128i at = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(places.of + lanes));
    store(list + count, _mm256_add_epi32(_mm256_cvtepu8_epi32(at), _mm256_set1_epi32(static_cast<int>(x))));
    count += __builtin_popcount(lanes);
  }
  // It seldom rises.
  const __m256i best_so_far = _mm256_castps_si256(_mm256_set1_ps(best));
  if (!_mm256_testz_si256(_mm256_cmpgt_epi32(row_best, best_so_far), _mm256_set1_epi32(-1))) {
    float eight[8];
    store(eight, row_best);
    for (const float value : eight) best = best < value ? value : best;
  }
  corner_keys(count, list, rows.here, place, keys);
  return count;
}

// Of the scores of a strip, sixteen columns of one parity in the order of shi_tomasi_strips_avx2.cpp: 0-3 and 8-11,
// 4-7 and 12-15.
struct Columns {
  __m256i low, high;
};
struct Pair {
  Columns odd, even;
};
EDGEFER_ALWAYS_INLINE Columns higher(Columns a, Columns b) { return {higher(a.low, b.low), higher(a.high, b.high)}; }
EDGEFER_ALWAYS_INLINE Pair higher(Pair a, Pair b) { return {higher(a.odd, b.odd), higher(a.even, b.even)}; }
EDGEFER_ALWAYS_INLINE Pair load_pair(const float* row) {
  return {{load(row), load(row + 8)}, {load(row + 16), load(row + 24)}};
}
EDGEFER_ALWAYS_INLINE Columns next(Columns c) {
  return {_mm256_alignr_epi8(c.high, c.low, 4),
          _mm256_alignr_epi8(_mm256_permute2x128_si256(c.low, c.low, 0x11), c.high, 4)};
}
EDGEFER_ALWAYS_INLINE Columns previous(Columns c) {
  return {_mm256_alignr_epi8(c.low, _mm256_permute2x128_si256(c.high, c.high, 0x08), 12),
          _mm256_alignr_epi8(c.high, c.low, 12)};
}
// A bit for each that is equal.
EDGEFER_ALWAYS_INLINE std::uint32_t equal(Columns a, Columns b) {
  const __m256 low = _mm256_castsi256_ps(_mm256_cmpeq_epi32(a.low, b.low));
  const __m256 high = _mm256_castsi256_ps(_mm256_cmpeq_epi32(a.high, b.high));
  return static_cast<std::uint32_t>(_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8);
}

std::ptrdiff_t strip_peaks(const float* scores, std::ptrdiff_t count, std::uint32_t allowed, float threshold,
                           float& best, std::int32_t* list) {
  const __m256i least = _mm256_add_epi32(_mm256_castps_si256(_mm256_set1_ps(threshold)), _mm256_set1_epi32(1));
  std::ptrdiff_t peak_count = 0;
  std::int32_t row = 0;
  Pair here = load_pair(scores + shi_tomasi_strip);
  Pair two = higher(load_pair(scores), here);
  Columns highest = higher(two.odd, two.even);
  for (std::ptrdiff_t y = 0; y < count; ++y) {
    row += shi_tomasi_strip;
    const Pair below = load_pair(scores + row + shi_tomasi_strip), of_columns = higher(two, below);
    two = higher(here, below);
    const Columns both = higher(of_columns.odd, of_columns.even);
    highest = higher(highest, both);
    const Columns enough = higher(both, {least, least});
    // A score is among the nine, so it is a peak where it equals the highest.
    const std::uint32_t odd = equal(here.odd, higher(enough, previous(of_columns.even)));
    const std::uint32_t even = equal(here.even, higher(enough, next(of_columns.odd)));
    // The first without a branch, as nobody can foresee it; few rows have a second.
    std::uint32_t peaks = (odd | even << 16) & allowed;
    list[peak_count] = row + __builtin_ctz(peaks | 1u << 31);
    peak_count += peaks != 0;
    for (peaks &= peaks - 1; peaks != 0; peaks &= peaks - 1) list[peak_count++] = row + __builtin_ctz(peaks);
    here = below;
  }
  float sixteen[16];
  store(sixteen, highest.low);
  store(sixteen + 8, highest.high);
  for (int i = 0; i < 15; ++i) best = best < sixteen[i] ? sixteen[i] : best;  // the last is of no column
  return peak_count;
}

constexpr CornerStrips strips = {
    &shi_tomasi_strip_avx2, &strip_peaks, {1, 3, 5, 7, 17, 19, 21, 23, 9,  11, 13, 15, 25, 27, 29, 0,
                                           2, 4, 6, 8, 18, 20, 22, 24, 10, 12, 14, 16, 26, 28, 30, 0}};

}  // namespace

std::ptrdiff_t good_corners_u8_avx2(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  if (suits_strips(image, mask, limits)) return good_corners_by_strips(image, limits, scratch, strips);
  return good_corners_by_rows(image, mask, limits, scratch, shi_tomasi_rows_avx2, &peaks_avx2);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
