#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include <cstring>  // memcpy

#include "core/target.h"
#include "resize/resize.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load16(const std::uint8_t* from) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

__m256i twice(__m256i values) { return _mm256_add_epi16(values, values); }

// Sixteen values of each kind of channel from x on, at the kind's own place; rows start at pixel -1.
void all_channels16(const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below, __m256i* values) {
  const __m256i a0 = load16(above), a1 = load16(above + 1), a2 = load16(above + 2);
  const __m256i h0 = load16(here), h1 = load16(here + 1), h2 = load16(here + 2);
  const __m256i b0 = load16(below), b1 = load16(below + 1), b2 = load16(below + 2);
  const __m256i across = _mm256_add_epi16(_mm256_sub_epi16(a2, a0), _mm256_sub_epi16(b2, b0));
  const __m256i down = _mm256_add_epi16(_mm256_sub_epi16(b0, a0), _mm256_sub_epi16(b2, a2));
  const __m256i around = _mm256_add_epi16(_mm256_add_epi16(a1, b1), _mm256_add_epi16(h0, h2));
  values[static_cast<int>(Channel::grey)] = h1;
  values[static_cast<int>(Channel::gx)] = _mm256_add_epi16(across, twice(_mm256_sub_epi16(h2, h0)));
  values[static_cast<int>(Channel::gy)] = _mm256_add_epi16(down, twice(_mm256_sub_epi16(b1, a1)));
  values[static_cast<int>(Channel::laplacian)] = _mm256_sub_epi16(around, _mm256_slli_epi16(h1, 2));
}

__m256i quantised8(__m128i values, __m256 multiplier, __m256 offset) {
  const __m256 scaled =
      _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(values)), multiplier), offset);
  // Clamped before the conversion, whose result is undefined beyond 32 bits; it rounds ties to even.
  return _mm256_cvtps_epi32(_mm256_max_ps(_mm256_min_ps(scaled, _mm256_set1_ps(127)), _mm256_set1_ps(-128)));
}

// Sixteen values quantised, as s16 within s8.
__m256i quantised16(__m256i values, const Quantiser& quantiser, int channel) {
  const __m256 multiplier = _mm256_load_ps(quantiser.multipliers[channel]);
  const __m256 offset = _mm256_load_ps(quantiser.offsets[channel]);
  const __m256i words = _mm256_packs_epi32(quantised8(_mm256_castsi256_si128(values), multiplier, offset),
                                           quantised8(_mm256_extracti128_si256(values, 1), multiplier, offset));
  return _mm256_permute4x64_epi64(words, 0xd8);
}

__m256i load_words(const std::int16_t* from) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(from)); }

// The same where the quantiser is exact, before saturation.
__m256i shifted16(__m256i values, const Quantiser& quantiser, int channel) {
  const __m128i shift = _mm_load_si128(reinterpret_cast<const __m128i*>(quantiser.shifts[channel]));
  const __m256i sum = _mm256_add_epi16(values, load_words(quantiser.terms[channel]));
  const __m256i up = _mm256_and_si256(_mm256_srl_epi16(sum, shift), load_words(quantiser.odd[channel]));
  const __m256i below_half = load_words(quantiser.below_half[channel]);
  return _mm256_sra_epi16(_mm256_add_epi16(sum, _mm256_add_epi16(up, below_half)), shift);
}

void store_word(int word, std::int8_t* to) { std::memcpy(to, &word, sizeof word); }

// Four pixels, of 4-byte places each, to `channels` bytes a pixel.
void store4(__m128i pixels, __m128i places, int channels, std::int8_t* out) {
  const __m128i bytes = _mm_shuffle_epi8(pixels, places);
  auto* to = reinterpret_cast<__m128i*>(out);
  switch (channels) {
    case 1: store_word(_mm_cvtsi128_si32(bytes), out); return;
    case 2: _mm_storel_epi64(to, bytes); return;
    case 3:
      _mm_storel_epi64(to, bytes);
      store_word(_mm_extract_epi32(bytes, 2), out + 8);
      return;
    default: _mm_storeu_si128(to, bytes);
  }
}

// Sixteen pixels from a register of words for each channel; those of missing channels do not matter.
void store_interleaved(const __m256i* words, int channels, std::int8_t* out) {
  alignas(16) static constexpr std::int8_t places[4][16] = {{0, 4, 8, 12},
                                                            {0, 1, 4, 5, 8, 9, 12, 13},
                                                            {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14},
                                                            {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
  // Lanes hold eight pixels: a c, b d; a b, c d; a b c d.
  const __m256i ac = _mm256_packs_epi16(words[0], words[2]), bd = _mm256_packs_epi16(words[1], words[3]);
  const __m256i ab = _mm256_unpacklo_epi8(ac, bd), cd = _mm256_unpackhi_epi8(ac, bd);
  const __m256i even = _mm256_unpacklo_epi16(ab, cd), odd = _mm256_unpackhi_epi16(ab, cd);
  const __m128i kept = _mm_load_si128(reinterpret_cast<const __m128i*>(places[channels - 1]));
  store4(_mm256_castsi256_si128(even), kept, channels, out);
  store4(_mm256_castsi256_si128(odd), kept, channels, out + 4 * channels);
  store4(_mm256_extracti128_si256(even, 1), kept, channels, out + 8 * channels);
  store4(_mm256_extracti128_si256(odd, 1), kept, channels, out + 12 * channels);
}

void stack_row(const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below, std::ptrdiff_t width,
               const Quantiser& quantiser, std::int8_t* out) {
  const int channels = quantiser.channels;
  __m256i values[max_channels];
  __m256i words[max_channels] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                                 _mm256_setzero_si256()};
  for (std::ptrdiff_t x = 0; x < width; x += 16) {
    all_channels16(above + x, here + x, below + x, values);
    for (int c = 0; c < channels; ++c) {
      const __m256i value = values[static_cast<int>(quantiser.kinds[c])];
      words[c] = quantiser.exact ? shifted16(value, quantiser, c) : quantised16(value, quantiser, c);
    }
    if (x + 16 <= width) {
      store_interleaved(words, channels, out + x * channels);
    } else {
      std::int8_t last[16 * max_channels];
      store_interleaved(words, channels, last);
      std::memcpy(out + x * channels, last, static_cast<std::size_t>((width - x) * channels));
    }
  }
  // GCC 12 adds none here by itself; without it the SSE code of our callers runs several times slower.
  _mm256_zeroupper();
}

}  // namespace

void stack_u8_s8_avx2(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                      void* scratch) {
  stack_by_rows(image, columns, rows, plan, out, scratch, resize_steps_avx2, &stack_row);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
