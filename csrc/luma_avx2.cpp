#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include "kernels.h"
#include "target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

void yuyv_row(const std::uint8_t* from, std::ptrdiff_t width, std::uint8_t* to) {
  const __m256i low_bytes = _mm256_set1_epi16(0x00ff);
  std::ptrdiff_t x = 0;
  for (; x + 32 <= width; x += 32) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 2 * x));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 2 * x + 32));
    // Packing works within 128-bit lanes: a0 b0 | a1 b1, so the middle quarters change places.
    const __m256i packed = _mm256_packus_epi16(_mm256_and_si256(a, low_bytes), _mm256_and_si256(b, low_bytes));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + x), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  for (; x < width; ++x) to[x] = from[2 * x];
}

// Four pixels in each lane, from 16 bytes of which 12 count: b g | b g | b g | b g as s16, and r 1 | r 1 | r 1 | r 1.
__m256i bgr_luma8(const std::uint8_t* from) {
  const __m256i pixels =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))),
                              _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 12)), 1);
  const __m256i pick_blue_green =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1));
  const __m256i pick_red =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1));
  const __m256i blue_green = _mm256_shuffle_epi8(pixels, pick_blue_green);
  const __m256i red_one = _mm256_or_si256(_mm256_shuffle_epi8(pixels, pick_red), _mm256_set1_epi32(1 << 16));
  const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(blue_green, _mm256_set1_epi32(19235 << 16 | 3735)),
                                       _mm256_madd_epi16(red_one, _mm256_set1_epi32(1 << 14 << 16 | 9798)));
  return _mm256_srli_epi32(sum, 15);
}

void bgr_row(const std::uint8_t* from, std::ptrdiff_t width, std::uint8_t* to) {
  std::ptrdiff_t x = 0;
  // The second load of the second eight ends 4 bytes behind its pixels, hence two pixels more.
  for (; x + 18 <= width; x += 16) {
    const __m256i words = _mm256_packus_epi32(bgr_luma8(from + 3 * x), bgr_luma8(from + 3 * x + 24));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + x),
                     _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1)));
  }
  for (; x < width; ++x)
    to[x] = static_cast<std::uint8_t>(
        (3735 * from[3 * x] + 19235 * from[3 * x + 1] + 9798 * from[3 * x + 2] + (1 << 14)) >> 15);
}

}  // namespace

void luma_u8_avx2(ImageU8 image, LumaFormat format, OutputU8 out) {
  if (format == LumaFormat::nv12) return luma_u8_scalar(image, format, out);  // a copy of rows
  for (std::ptrdiff_t y = 0; y < out.height; ++y) {
    const std::uint8_t* from = image.data + y * image.row_stride;
    std::uint8_t* to = out.data + y * out.row_stride;
    if (format == LumaFormat::yuyv) {
      yuyv_row(from, out.width, to);
    } else {
      bgr_row(from, out.width, to);
    }
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
