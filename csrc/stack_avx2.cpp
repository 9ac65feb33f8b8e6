#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include <cstring>  // memcpy

#include "kernels.h"
#include "target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load16(const std::uint8_t* from) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Sixteen values of one channel from x on; rows start at pixel -1.
__m256i channel16(Channel kind, const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below) {
  switch (kind) {
    case Channel::grey: return load16(here + 1);
    case Channel::gx: {
      const __m256i outer = _mm256_add_epi16(_mm256_sub_epi16(load16(above + 2), load16(above)),
                                             _mm256_sub_epi16(load16(below + 2), load16(below)));
      const __m256i middle = _mm256_sub_epi16(load16(here + 2), load16(here));
      return _mm256_add_epi16(outer, _mm256_add_epi16(middle, middle));
    }
    case Channel::gy: {
      const __m256i outer = _mm256_add_epi16(_mm256_sub_epi16(load16(below), load16(above)),
                                             _mm256_sub_epi16(load16(below + 2), load16(above + 2)));
      const __m256i middle = _mm256_sub_epi16(load16(below + 1), load16(above + 1));
      return _mm256_add_epi16(outer, _mm256_add_epi16(middle, middle));
    }
    case Channel::laplacian: {
      const __m256i around = _mm256_add_epi16(_mm256_add_epi16(load16(above + 1), load16(below + 1)),
                                              _mm256_add_epi16(load16(here), load16(here + 2)));
      return _mm256_sub_epi16(around, _mm256_slli_epi16(load16(here + 1), 2));
    }
  }
  return _mm256_setzero_si256();
}

__m256i quantised8(__m128i values, __m256 multiplier, __m256 offset) {
  const __m256 scaled =
      _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(values)), multiplier), offset);
  // Clamped before the conversion, whose result is undefined beyond 32 bits; it rounds ties to even.
  return _mm256_cvtps_epi32(_mm256_max_ps(_mm256_min_ps(scaled, _mm256_set1_ps(127)), _mm256_set1_ps(-128)));
}

__m128i quantised16(__m256i values, float multiplier, float offset) {
  const __m256 factor = _mm256_set1_ps(multiplier), term = _mm256_set1_ps(offset);
  const __m256i words = _mm256_packs_epi32(quantised8(_mm256_castsi256_si128(values), factor, term),
                                           quantised8(_mm256_extracti128_si256(values, 1), factor, term));
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
  return _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
}

// Bytes 16 * part onwards of a0 b0 c0 a1 b1 c1 ...; byte i of them is of channel (16 part + i) % 3, pixel / 3.
__m128i interleaved3(const __m128i* planes, int part) {
  alignas(16) static constexpr std::int8_t picks[3][3][16] = {
      {{0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5},
       {-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1},
       {-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1}},
      {{-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1},
       {5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10},
       {-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1}},
      {{-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1},
       {-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1},
       {10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15}}};
  __m128i bytes = _mm_setzero_si128();
  for (int c = 0; c < 3; ++c)
    bytes = _mm_or_si128(bytes,
                         _mm_shuffle_epi8(planes[c], _mm_load_si128(reinterpret_cast<const __m128i*>(picks[part][c]))));
  return bytes;
}

void store_interleaved(const __m128i* planes, int channels, std::int8_t* out) {
  auto* to = reinterpret_cast<__m128i*>(out);
  switch (channels) {
    case 1: _mm_storeu_si128(to, planes[0]); return;
    case 2:
      _mm_storeu_si128(to, _mm_unpacklo_epi8(planes[0], planes[1]));
      _mm_storeu_si128(to + 1, _mm_unpackhi_epi8(planes[0], planes[1]));
      return;
    case 3:
      for (int part = 0; part < 3; ++part) _mm_storeu_si128(to + part, interleaved3(planes, part));
      return;
    default: {
      const __m128i ab_low = _mm_unpacklo_epi8(planes[0], planes[1]), cd_low = _mm_unpacklo_epi8(planes[2], planes[3]);
      const __m128i ab_high = _mm_unpackhi_epi8(planes[0], planes[1]),
                    cd_high = _mm_unpackhi_epi8(planes[2], planes[3]);
      _mm_storeu_si128(to, _mm_unpacklo_epi16(ab_low, cd_low));
      _mm_storeu_si128(to + 1, _mm_unpackhi_epi16(ab_low, cd_low));
      _mm_storeu_si128(to + 2, _mm_unpacklo_epi16(ab_high, cd_high));
      _mm_storeu_si128(to + 3, _mm_unpackhi_epi16(ab_high, cd_high));
    }
  }
}

void stack_row_avx2(const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below,
                    std::ptrdiff_t width, const StackPlan& plan, std::int8_t* out) {
  for (std::ptrdiff_t x = 0; x < width; x += 16) {
    __m128i planes[max_channels];
    for (int c = 0; c < plan.channels; ++c)
      planes[c] =
          quantised16(channel16(plan.kinds[c], above + x, here + x, below + x), plan.multipliers[c], plan.offsets[c]);
    if (x + 16 <= width) {
      store_interleaved(planes, plan.channels, out + x * plan.channels);
    } else {
      std::int8_t last[16 * max_channels];
      store_interleaved(planes, plan.channels, last);
      std::memcpy(out + x * plan.channels, last, static_cast<std::size_t>((width - x) * plan.channels));
    }
  }
  // GCC 12 adds none here by itself; without it the SSE code of our callers runs several times slower.
  _mm256_zeroupper();
}

}  // namespace

void stack_u8_s8_avx2(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, StackScratch scratch,
                      std::int8_t* out) {
  stack_rows(image, columns, rows, plan, scratch, &resize_row_u8_avx2, &stack_row_avx2, out);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
