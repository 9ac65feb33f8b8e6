#if defined(__x86_64__)
#include <immintrin.h>

#include "good_corners.h"
#include "rows.h"
#include "target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

// in_a * in_b - out_a * out_b of 16 columns, added to their sums. The pairs (in, out) lie side by side, so that
// one multiply-add takes both products; unpacking works in halves of 128 bits:
//   low  = columns 0 1 2 3 | 8 9 10 11      high = columns 4 5 6 7 | 12 13 14 15
void add_products(__m256i low_a, __m256i high_a, __m256i low_b, __m256i high_b, std::int32_t* sum) {
  const __m256i low = _mm256_madd_epi16(low_a, low_b), high = _mm256_madd_epi16(high_a, high_b);
  const __m256i first = _mm256_permute2x128_si256(low, high, 0x20);
  const __m256i second = _mm256_permute2x128_si256(low, high, 0x31);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum), _mm256_add_epi32(load(sum), first));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum + 8), _mm256_add_epi32(load(sum + 8), second));
}

void slide_avx2(std::ptrdiff_t width, const std::int16_t* gx_in, const std::int16_t* gy_in, const std::int16_t* gx_out,
                const std::int16_t* gy_out, std::int32_t* ixx, std::int32_t* ixy, std::int32_t* iyy) {
  const __m256i zero = _mm256_setzero_si256();
  for (std::ptrdiff_t x = 0; x < width; x += 16) {  // past the width lie zeros
    const __m256i x_in = load(gx_in + x), x_out = load(gx_out + x);
    const __m256i y_in = load(gy_in + x), y_out = load(gy_out + x);
    const __m256i minus_x_out = _mm256_sub_epi16(zero, x_out), minus_y_out = _mm256_sub_epi16(zero, y_out);
    const __m256i low_x = _mm256_unpacklo_epi16(x_in, x_out), high_x = _mm256_unpackhi_epi16(x_in, x_out);
    const __m256i low_y = _mm256_unpacklo_epi16(y_in, y_out), high_y = _mm256_unpackhi_epi16(y_in, y_out);
    const __m256i low_minus_x = _mm256_unpacklo_epi16(x_in, minus_x_out);
    const __m256i high_minus_x = _mm256_unpackhi_epi16(x_in, minus_x_out);
    const __m256i low_minus_y = _mm256_unpacklo_epi16(y_in, minus_y_out);
    const __m256i high_minus_y = _mm256_unpackhi_epi16(y_in, minus_y_out);
    add_products(low_x, high_x, low_minus_x, high_minus_x, ixx + x);
    add_products(low_x, high_x, low_minus_y, high_minus_y, ixy + x);
    add_products(low_y, high_y, low_minus_y, high_minus_y, iyy + x);
  }
}

// (a * c - b * b) * gain of four pixels, in double until the end.
__m128 numerator4(__m128i a, __m128i b, __m128i c, __m256d gain) {
  const __m256d b_wide = _mm256_cvtepi32_pd(b);
  const __m256d det =
      _mm256_sub_pd(_mm256_mul_pd(_mm256_cvtepi32_pd(a), _mm256_cvtepi32_pd(c)), _mm256_mul_pd(b_wide, b_wide));
  return _mm256_cvtpd_ps(_mm256_mul_pd(det, gain));
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order, for eight pixels.
__m256 lambda_min8(__m256i ixx, __m256i ixy, __m256i iyy, __m256d gain) {
  const __m128 low =
      numerator4(_mm256_castsi256_si128(ixx), _mm256_castsi256_si128(ixy), _mm256_castsi256_si128(iyy), gain);
  const __m128 high = numerator4(_mm256_extracti128_si256(ixx, 1), _mm256_extracti128_si256(ixy, 1),
                                 _mm256_extracti128_si256(iyy, 1), gain);
  const __m256 difference = _mm256_cvtepi32_ps(_mm256_sub_epi32(ixx, iyy));
  const __m256 twice = _mm256_cvtepi32_ps(_mm256_add_epi32(ixy, ixy));
  const __m256 root = _mm256_sqrt_ps(_mm256_add_ps(_mm256_mul_ps(difference, difference), _mm256_mul_ps(twice, twice)));
  const __m256 denominator = _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_add_epi32(ixx, iyy)), root);
  return _mm256_div_ps(_mm256_set_m128(high, low), _mm256_max_ps(denominator, _mm256_set1_ps(1.0f)));
}

__m256i window_sum(const std::int32_t* sums, int block_size) {
  __m256i total = load(sums);
  for (int i = 1; i < block_size; ++i) total = _mm256_add_epi32(total, load(sums + i));
  return total;
}

void score_avx2(std::ptrdiff_t width, int block_size, double gain, const std::int32_t* ixx, const std::int32_t* ixy,
                const std::int32_t* iyy, float* out) {
  const __m256d wide_gain = _mm256_set1_pd(gain);
  std::ptrdiff_t x = 0;
  for (; x + 8 <= width; x += 8)
    _mm256_storeu_ps(out + x, lambda_min8(window_sum(ixx + x, block_size), window_sum(ixy + x, block_size),
                                          window_sum(iyy + x, block_size), wide_gain));
  shi_tomasi_score_columns(x, width, block_size, gain, ixx, ixy, iyy, out);
}

constexpr ShiTomasiRows avx2_rows = {&sobel_row_u8_s16_avx2, &slide_avx2, &score_avx2};

}  // namespace

void shi_tomasi_u8_f32_avx2(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch) {
  shi_tomasi_by_rows(image, block_size, border, score, scratch, avx2_rows);
}

std::ptrdiff_t good_corners_u8_avx2(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_score(image, mask, limits, scratch, &shi_tomasi_u8_f32_avx2);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
