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

__m256i sum4(__m256i a, __m256i b, __m256i c, __m256i d) {
  return _mm256_add_epi16(_mm256_add_epi16(a, b), _mm256_add_epi16(c, d));
}

// Columns x to x + 15; reads columns x - 1 to x + 16.
void laplacian_16(ThreeRows rows, std::ptrdiff_t x, bool cross, std::int16_t* out) {
  const __m256i four_here = _mm256_slli_epi16(load16(rows.here + x), 2);
  __m256i result;
  if (cross) {
    const __m256i around =
        sum4(load16(rows.above + x), load16(rows.here + x - 1), load16(rows.here + x + 1), load16(rows.below + x));
    result = _mm256_sub_epi16(around, four_here);
  } else {
    const __m256i around = sum4(load16(rows.above + x - 1), load16(rows.above + x + 1), load16(rows.below + x - 1),
                                load16(rows.below + x + 1));
    result = _mm256_slli_epi16(_mm256_sub_epi16(around, four_here), 1);
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x), result);
}

}  // namespace

void laplacian_row_u8_s16_avx2(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::int16_t* out) {
  const std::ptrdiff_t last = width - 1;
  const bool cross = aperture == 1;
  if (width < 18) return laplacian_columns_u8_s16(rows, width, aperture, border, 0, width, out);
  laplacian_edge(rows, width, cross, border, 0, out);
  std::ptrdiff_t x = 1;
  for (; x + 16 <= last; x += 16) laplacian_16(rows, x, cross, out);
  if (x < last) laplacian_16(rows, last - 16, cross, out);  // some columns are written twice, with the same values
  laplacian_edge(rows, width, cross, border, last, out);
}

void laplacian_u8_s16_avx2(ImageU8 image, int aperture, Border border, OutputS16 out) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    laplacian_row_u8_s16_avx2(three_rows(image, y, border), image.width, aperture, border,
                              out.data + y * out.row_stride);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
