#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>  // std::memcpy

#include "core/target.h"
#include "corners/rows.h"

#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // of the undefined operands in GCC's own header
#endif

EDGEFER_BEGIN_AVX512VNNI

namespace edgefer {
namespace {

__m512i load(const void* p) { return _mm512_loadu_si512(p); }
void store(void* p, __m512i value) { _mm512_storeu_si512(p, value); }

// 64 bytes, their groups of eight in the order 0 4 1 5 2 6 3 7: unpacking works in quarters of 128 bits, and this way
// unpacked columns come out in order.
__m512i load_crossed(const std::uint8_t* p) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), load(p));
}

// Derived rows hold even and odd columns of `across`, then of `smooth`, a quarter of the row each.
void derive_avx512vnni(std::ptrdiff_t width, const std::uint8_t* pixels, std::int16_t* derived) {
  const __m512i low_byte = _mm512_set1_epi16(0xFF);
  const __m512i one_two = _mm512_set1_epi16(0x0201), two_one = _mm512_set1_epi16(0x0102);  // the first byte is low
  constexpr std::ptrdiff_t half = shi_tomasi_half / 2;
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 32) {
    // As pairs of bytes, for even columns e and the odd ones o that follow: left = (o[-1], e), right = (o, e[1]).
    const __m512i left = load_crossed(pixels + 2 * i - 1), right = load_crossed(pixels + 2 * i + 1);
    const __m512i odd_before = _mm512_and_si512(left, low_byte), odd = _mm512_and_si512(right, low_byte);
    const __m512i even = _mm512_srli_epi16(left, 8), even_after = _mm512_srli_epi16(right, 8);
    store(derived + i, _mm512_sub_epi16(odd, odd_before));
    store(derived + half + i, _mm512_sub_epi16(even_after, even));
    store(derived + 2 * half + i, _mm512_add_epi16(_mm512_maddubs_epi16(left, one_two), odd));
    store(derived + 3 * half + i, _mm512_add_epi16(_mm512_maddubs_epi16(right, two_one), even));
  }
}

// Gradients are pairs (gx, gy), those of the even columns in the first half of the row. As the halves of a derived row
// have the same order of columns, they are walked through as one.
void gradients_avx512vnni(std::ptrdiff_t width, const std::int16_t* above, const std::int16_t* here,
                          const std::int16_t* below, std::int16_t* gradients) {
  for (std::ptrdiff_t odd = 0; odd < shi_tomasi_half; odd += shi_tomasi_half / 2) {
    for (std::ptrdiff_t i = odd; 2 * (i - odd) < width; i += 32) {
      const __m512i centre = load(here + i);
      const __m512i gx =
          _mm512_add_epi16(_mm512_add_epi16(load(above + i), load(below + i)), _mm512_add_epi16(centre, centre));
      const __m512i gy = _mm512_sub_epi16(load(below + shi_tomasi_half + i), load(above + shi_tomasi_half + i));
      store(gradients + 2 * i, _mm512_unpacklo_epi16(gx, gy));
      store(gradients + 2 * i + 32, _mm512_unpackhi_epi16(gx, gy));
    }
  }
}

struct Products {
  __m512i trace, difference, twice;
};

// The sums of sixteen columns of one parity, one row further down; by the step of shi_tomasi_avx2.cpp.
Products slid(const std::int16_t* entering, const std::int16_t* leaving, Products sums) {
  const __m512i in = load(entering), out = load(leaving);
  const __m512i minus = _mm512_sub_epi16(in, out), plus = _mm512_add_epi16(in, out);
  const __m512i y_negated = _mm512_mask_sub_epi16(plus, 0xAAAAAAAA, _mm512_setzero_si512(), plus);
  return {_mm512_dpwssd_epi32(sums.trace, minus, plus), _mm512_dpwssd_epi32(sums.difference, minus, y_negated),
          _mm512_dpwssd_epi32(sums.twice, minus, _mm512_rol_epi32(plus, 16))};
}

Products load_sums(TensorSums sums, std::ptrdiff_t odd, std::ptrdiff_t i) {
  return {load(sums.trace(odd) + i), load(sums.difference(odd) + i), load(sums.twice(odd) + i)};
}

void store_sums(TensorSums sums, std::ptrdiff_t odd, std::ptrdiff_t i, Products value) {
  store(sums.trace(odd) + i, value.trace);
  store(sums.difference(odd) + i, value.difference);
  store(sums.twice(odd) + i, value.twice);
}

void slide_avx512vnni(std::ptrdiff_t width, const std::int16_t* entering, const std::int16_t* leaving, TensorSums from,
                      TensorSums to) {
  for (std::ptrdiff_t odd = 0; odd < 2; ++odd, entering += shi_tomasi_half, leaving += shi_tomasi_half)
    for (std::ptrdiff_t i = 0; 2 * i < width; i += 16)
      store_sums(to, odd, i, slid(entering + 2 * i, leaving + 2 * i, load_sums(from, odd, i)));
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order.
__m512 lambda_min(__m512i trace, __m512i difference, __m512i twice, __m512 gain) {
  const __m512 d = _mm512_cvtepi32_ps(difference), t = _mm512_cvtepi32_ps(twice);
  const __m512 root = _mm512_sqrt_ps(_mm512_add_ps(_mm512_mul_ps(d, d), _mm512_mul_ps(t, t)));
  return _mm512_mul_ps(_mm512_max_ps(_mm512_sub_ps(_mm512_cvtepi32_ps(trace), root), _mm512_setzero_ps()), gain);
}

// Even and odd columns back in one row.
void store_interleaved(float* out, __m512 even, __m512 odd) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  _mm512_storeu_ps(out, _mm512_permutex2var_ps(even, low, odd));
  _mm512_storeu_ps(out + 16, _mm512_permutex2var_ps(even, high, odd));
}

// The last column of `before` and the first fifteen of `now`, and the last fifteen of `now` and the first of `after`: a
// load from an odd address would take twice as long, as it crosses a cache line.
__m512i one_before(__m512i before, __m512i now) { return _mm512_alignr_epi32(now, before, 15); }
__m512i one_after(__m512i now, __m512i after) { return _mm512_alignr_epi32(after, now, 1); }

void score_and_slide_avx512vnni(std::ptrdiff_t width, std::ptrdiff_t scored, float gain, const std::int16_t* entering,
                                const std::int16_t* leaving, TensorSums from, TensorSums to, float* out) {
  const __m512 gains = _mm512_set1_ps(gain);
  float last[32];
  Products odd_before = load_sums(from, 1, -16), even = load_sums(from, 0, 0);
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 16) {
    const Products odd = load_sums(from, 1, i), even_after = load_sums(from, 0, i + 16);
    store_sums(to, 0, i, slid(entering + 2 * i, leaving + 2 * i, even));
    store_sums(to, 1, i, slid(entering + shi_tomasi_half + 2 * i, leaving + shi_tomasi_half + 2 * i, odd));

    // An even column and the odd one after it have two of their three columns in common.
    const __m512i trace = _mm512_add_epi32(even.trace, odd.trace);
    const __m512i difference = _mm512_add_epi32(even.difference, odd.difference);
    const __m512i twice = _mm512_add_epi32(even.twice, odd.twice);
    const __m512 even_score =
        lambda_min(_mm512_add_epi32(trace, one_before(odd_before.trace, odd.trace)),
                   _mm512_add_epi32(difference, one_before(odd_before.difference, odd.difference)),
                   _mm512_add_epi32(twice, one_before(odd_before.twice, odd.twice)), gains);
    const __m512 odd_score = lambda_min(_mm512_add_epi32(trace, one_after(even.trace, even_after.trace)),
                                        _mm512_add_epi32(difference, one_after(even.difference, even_after.difference)),
                                        _mm512_add_epi32(twice, one_after(even.twice, even_after.twice)), gains);
    store_interleaved(2 * i + 32 <= scored ? out + 2 * i : last, even_score, odd_score);
    odd_before = odd;
    even = even_after;
  }
  std::memcpy(out + scored / 32 * 32, last, sizeof(float) * static_cast<std::size_t>(scored % 32));
}

// The sums of a window of 2 * reach + 1 columns about sixteen even columns and the odd ones after them. The pairs
// between the two ends are common to both.
struct Windows {
  __m512i even, odd;
};
Windows window_sums(const std::int32_t* even, const std::int32_t* odd, const std::int32_t* pairs, std::ptrdiff_t i,
                    std::ptrdiff_t reach) {
  const std::ptrdiff_t inner = (reach - 1) / 2, outer = inner + 1;
  __m512i common = load(pairs + i - inner);
  for (std::ptrdiff_t j = 1 - inner; j <= inner; ++j) common = _mm512_add_epi32(common, load(pairs + i + j));
  const __m512i before = reach % 2 ? common : _mm512_add_epi32(common, load(pairs + i - outer));
  const __m512i after = reach % 2 ? common : _mm512_add_epi32(common, load(pairs + i + outer));
  const __m512i odd_before = load(odd + i - outer), even_after = load(even + i + outer);
  if (reach % 2) return {_mm512_add_epi32(before, odd_before), _mm512_add_epi32(after, even_after)};
  return {_mm512_add_epi32(before, even_after), _mm512_add_epi32(after, odd_before)};
}

void add_pairs(std::ptrdiff_t width, const std::int32_t* even, const std::int32_t* odd, std::int32_t* pairs) {
  for (std::ptrdiff_t i = -16; 2 * i < width + 32; i += 16)
    store(pairs + i, _mm512_add_epi32(load(even + i), load(odd + i)));
}

void score_avx512vnni(std::ptrdiff_t width, int block_size, float gain, TensorSums sums, TensorSums pairs, float* out) {
  const __m512 gains = _mm512_set1_ps(gain);
  const std::ptrdiff_t reach = block_size / 2;
  add_pairs(width, sums.trace(0), sums.trace(1), pairs.trace(0));
  add_pairs(width, sums.difference(0), sums.difference(1), pairs.difference(0));
  add_pairs(width, sums.twice(0), sums.twice(1), pairs.twice(0));
  float last[32];
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 16) {
    const Windows trace = window_sums(sums.trace(0), sums.trace(1), pairs.trace(0), i, reach);
    const Windows difference = window_sums(sums.difference(0), sums.difference(1), pairs.difference(0), i, reach);
    const Windows twice = window_sums(sums.twice(0), sums.twice(1), pairs.twice(0), i, reach);
    store_interleaved(2 * i + 32 <= width ? out + 2 * i : last,
                      lambda_min(trace.even, difference.even, twice.even, gains),
                      lambda_min(trace.odd, difference.odd, twice.odd, gains));
  }
  std::memcpy(out + width / 32 * 32, last, sizeof(float) * static_cast<std::size_t>(width % 32));
}

}  // namespace

const ShiTomasiRows shi_tomasi_rows_avx512vnni = {&derive_avx512vnni, &gradients_avx512vnni, &slide_avx512vnni,
                                                  &score_avx512vnni, &score_and_slide_avx512vnni};

void shi_tomasi_u8_f32_avx512vnni(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch) {
  if (block_size == 3 && image.width >= shi_tomasi_strip)
    return shi_tomasi_by_strips_avx512vnni(image, border, score, scratch);
  shi_tomasi_by_rows(image, block_size, border, score, scratch, shi_tomasi_rows_avx512vnni);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
