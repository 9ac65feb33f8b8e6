#if defined(__x86_64__)
#include <immintrin.h>

#include "rows.h"
#include "target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

// 16 pixels as s16.
__m256i load16(const std::uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

void store16(std::int16_t* p, __m256i value) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), value); }

// Columns x to x + 15; reads columns x - 1 to x + 16.
void sobel_16(ThreeRows rows, std::ptrdiff_t x, std::int16_t* gx, std::int16_t* gy) {
  const __m256i above_left = load16(rows.above + x - 1), above_right = load16(rows.above + x + 1);
  const __m256i below_left = load16(rows.below + x - 1), below_right = load16(rows.below + x + 1);
  // The two diagonals belong to both: gx has their sum, gy their difference.
  const __m256i falling = _mm256_sub_epi16(below_right, above_left);
  const __m256i rising = _mm256_sub_epi16(above_right, below_left);
  const __m256i across = _mm256_sub_epi16(load16(rows.here + x + 1), load16(rows.here + x - 1));
  const __m256i down = _mm256_sub_epi16(load16(rows.below + x), load16(rows.above + x));
  store16(gx + x, _mm256_add_epi16(_mm256_add_epi16(falling, rising), _mm256_add_epi16(across, across)));
  store16(gy + x, _mm256_add_epi16(_mm256_sub_epi16(falling, rising), _mm256_add_epi16(down, down)));
}

}  // namespace

void sobel_row_u8_s16_avx2(ThreeRows rows, std::ptrdiff_t width, Border border, std::int16_t* gx, std::int16_t* gy) {
  const std::ptrdiff_t last = width - 1;
  if (width < 18) return sobel_columns_u8_s16(rows, width, border, 0, width, gx, gy);
  sobel_edge(rows, width, border, 0, gx, gy);
  std::ptrdiff_t x = 1;
  for (; x + 16 <= last; x += 16) sobel_16(rows, x, gx, gy);
  if (x < last) sobel_16(rows, last - 16, gx, gy);  // some columns are written twice, with the same values
  sobel_edge(rows, width, border, last, gx, gy);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
