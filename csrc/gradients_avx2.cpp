#if defined(__x86_64__)
#include <immintrin.h>

#include <initializer_list>

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

// Columns x to x + 15; reads columns x - 1 to x + 16, each of the nine neighbours once.
void gradients_16(ThreeRows rows, std::ptrdiff_t x, bool cross, std::int16_t* gx, std::int16_t* gy, std::int16_t* out) {
  const __m256i above_left = load16(rows.above + x - 1), above_right = load16(rows.above + x + 1);
  const __m256i below_left = load16(rows.below + x - 1), below_right = load16(rows.below + x + 1);
  const __m256i above = load16(rows.above + x), below = load16(rows.below + x);
  const __m256i left = load16(rows.here + x - 1), right = load16(rows.here + x + 1);
  const __m256i four_here = _mm256_slli_epi16(load16(rows.here + x), 2);

  const __m256i falling = _mm256_sub_epi16(below_right, above_left);
  const __m256i rising = _mm256_sub_epi16(above_right, below_left);
  const __m256i across = _mm256_sub_epi16(right, left), down = _mm256_sub_epi16(below, above);
  store16(gx + x, _mm256_add_epi16(_mm256_add_epi16(falling, rising), _mm256_add_epi16(across, across)));
  store16(gy + x, _mm256_add_epi16(_mm256_sub_epi16(falling, rising), _mm256_add_epi16(down, down)));

  if (cross) {
    const __m256i around = _mm256_add_epi16(_mm256_add_epi16(above, below), _mm256_add_epi16(left, right));
    store16(out + x, _mm256_sub_epi16(around, four_here));
  } else {
    const __m256i around =
        _mm256_add_epi16(_mm256_add_epi16(above_left, below_right), _mm256_add_epi16(above_right, below_left));
    store16(out + x, _mm256_slli_epi16(_mm256_sub_epi16(around, four_here), 1));
  }
}

void gradients_row(ThreeRows rows, std::ptrdiff_t width, int aperture, Border border, std::int16_t* gx,
                   std::int16_t* gy, std::int16_t* out) {
  const std::ptrdiff_t last = width - 1;
  const bool cross = aperture == 1;
  if (width < 18) {
    sobel_columns_u8_s16(rows, width, border, 0, width, gx, gy);
    return laplacian_columns_u8_s16(rows, width, aperture, border, 0, width, out);
  }
  for (const std::ptrdiff_t x : {std::ptrdiff_t{0}, last}) {
    sobel_edge(rows, width, border, x, gx, gy);
    laplacian_edge(rows, width, cross, border, x, out);
  }
  std::ptrdiff_t x = 1;
  for (; x + 16 <= last; x += 16) gradients_16(rows, x, cross, gx, gy, out);
  if (x < last) gradients_16(rows, last - 16, cross, gx, gy, out);  // some columns twice, with the same values
}

}  // namespace

void gradients_u8_s16_avx2(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                           OutputS16 laplacian) {
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    gradients_row(three_rows(image, y, border), image.width, aperture, border, gx.data + y * gx.row_stride,
                  gy.data + y * gy.row_stride, laplacian.data + y * laplacian.row_stride);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
