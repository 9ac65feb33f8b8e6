#if defined(__x86_64__)
#include <immintrin.h>  // SSE4.1

#include "core/target.h"
#include "luma/luma.h"

EDGEFER_BEGIN_SSE41

namespace edgefer {
namespace {

__m128i load(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

// One lane of bgr_16 in luma_avx2.cpp.
__m128i bgr_8(const std::uint8_t* from) {
  const __m128i first = load(from), second = load(from + 8);
  const __m128i choice = _mm_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, -1, -1, 0, -1, -1, 0);
  const __m128i order_bg = _mm_setr_epi8(0, 1, 3, 4, 6, 7, 9, 2, 12, 5, 15, 8, 10, 11, 13, 14);
  const __m128i order_r = _mm_setr_epi8(2, -1, 5, -1, 8, -1, 11, -1, 14, -1, 9, -1, 12, -1, 15, -1);
  const __m128i bg = _mm_shuffle_epi8(_mm_blendv_epi8(first, second, choice), order_bg);
  const __m128i r = _mm_shuffle_epi8(_mm_blendv_epi8(second, first, choice), order_r);
  const __m128i high =
      _mm_add_epi16(_mm_maddubs_epi16(bg, _mm_set1_epi16(75 << 8 | 15)), _mm_maddubs_epi16(r, _mm_set1_epi16(38)));
  const __m128i low = _mm_add_epi16(_mm_maddubs_epi16(bg, _mm_set1_epi16(35 << 8 | (-105 & 0xff))),
                                    _mm_maddubs_epi16(r, _mm_set1_epi16(70)));
  return _mm_mulhrs_epi16(_mm_add_epi16(high, _mm_srai_epi16(low, 8)), _mm_set1_epi16(1 << 8));
}

void bgr_16(const std::uint8_t* from, std::uint8_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(bgr_8(from), bgr_8(from + 24)));
}

}  // namespace

void luma_u8_sse41(ImageU8 image, LumaFormat format, OutputU8 out) {
  if (format != LumaFormat::bgr) return luma_u8_scalar(image, format, out);  // the compiler does as well by itself
  join_rows(image, out);
  const std::ptrdiff_t last = out.width - 16;
  if (last < 0) return luma_u8_scalar(image, format, out);
  for (std::ptrdiff_t y = 0; y < out.height; ++y) {
    const std::uint8_t* from = image.data + y * image.row_stride;
    std::uint8_t* to = out.data + y * out.row_stride;
    // The last step of a row is moved back to end with it: some pixels are written twice, with the same value.
    for (std::ptrdiff_t x = 0; x < last; x += 16) bgr_16(from + 3 * x, to + x);
    bgr_16(from + 3 * last, to + last);
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
