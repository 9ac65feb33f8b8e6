#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include "core/target.h"
#include "luma/luma.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

__m256i load_halves(const std::uint8_t* low, const std::uint8_t* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low))),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

// Two times 16 words as bytes. Packing works within 128-bit lanes: a0 b0 | a1 b1, so the middle quarters change places.
void store_packed(std::uint8_t* p, __m256i a, __m256i b) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}

void yuyv_32(const std::uint8_t* from, std::uint8_t* to) {
  const __m256i low_bytes = _mm256_set1_epi16(0x00ff);
  store_packed(to, _mm256_and_si256(load(from), low_bytes), _mm256_and_si256(load(from + 32), low_bytes));
}

// The luma of 16 pixels as words, by the 16-bit form in luma.h. Each lane has the 24 bytes of eight pixels in two
// loads, bytes 0 to 15 and 8 to 23. At every place one of the two is needed for a pair (b, g) and the other is not, or
// is an r: so a choice of places gives the eight pairs, and the places left over give the eight r.
__m256i bgr_16(const std::uint8_t* from) {
  const __m256i first = load_halves(from, from + 24), second = load_halves(from + 8, from + 32);
  const __m256i choice =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, -1, -1, 0, -1, -1, 0));
  const __m256i order_bg =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 3, 4, 6, 7, 9, 2, 12, 5, 15, 8, 10, 11, 13, 14));
  const __m256i order_r =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(2, -1, 5, -1, 8, -1, 11, -1, 14, -1, 9, -1, 12, -1, 15, -1));
  const __m256i bg = _mm256_shuffle_epi8(_mm256_blendv_epi8(first, second, choice), order_bg);
  const __m256i r = _mm256_shuffle_epi8(_mm256_blendv_epi8(second, first, choice), order_r);
  const __m256i high = _mm256_add_epi16(_mm256_maddubs_epi16(bg, _mm256_set1_epi16(75 << 8 | 15)),
                                        _mm256_maddubs_epi16(r, _mm256_set1_epi16(38)));
  const __m256i low = _mm256_add_epi16(_mm256_maddubs_epi16(bg, _mm256_set1_epi16(35 << 8 | (-105 & 0xff))),
                                       _mm256_maddubs_epi16(r, _mm256_set1_epi16(70)));
  // (x * 2^8 + 2^14) >> 15 is (x + 64) >> 7.
  return _mm256_mulhrs_epi16(_mm256_add_epi16(high, _mm256_srai_epi16(low, 8)), _mm256_set1_epi16(1 << 8));
}

void bgr_32(const std::uint8_t* from, std::uint8_t* to) { store_packed(to, bgr_16(from), bgr_16(from + 48)); }

}  // namespace

void luma_u8_avx2(ImageU8 image, LumaFormat format, OutputU8 out) {
  if (format == LumaFormat::nv12) return luma_u8_scalar(image, format, out);  // a copy of rows
  join_rows(image, out);
  const std::ptrdiff_t last = out.width - 32;
  if (last < 0) return luma_u8_sse41(image, format, out);
  for (std::ptrdiff_t y = 0; y < out.height; ++y) {
    const std::uint8_t* from = image.data + y * image.row_stride;
    std::uint8_t* to = out.data + y * out.row_stride;
    // The last step of a row is moved back to end with it: some pixels are written twice, with the same value.
    if (format == LumaFormat::yuyv) {
      for (std::ptrdiff_t x = 0; x < last; x += 32) yuyv_32(from + 2 * x, to + x);
      yuyv_32(from + 2 * last, to + last);
    } else {
      for (std::ptrdiff_t x = 0; x < last; x += 32) bgr_32(from + 3 * x, to + x);
      bgr_32(from + 3 * last, to + last);
    }
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
