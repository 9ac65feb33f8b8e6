#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>  // std::memcpy

#include "core/target.h"
#include "corners/rows.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
void store(void* p, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(p), value); }

// 32 bytes, their groups of eight in the order 0 2 1 3: unpacking works in halves of 128 bits, and this way unpacked
// columns come out in order.
__m256i load_crossed(const std::uint8_t* p) { return _mm256_permute4x64_epi64(load(p), 0xD8); }

// Derived rows hold even and odd columns of `across`, then of `smooth`, a quarter of the row each.
void derive_avx2(std::ptrdiff_t width, const std::uint8_t* pixels, std::int16_t* derived) {
  const __m256i low_byte = _mm256_set1_epi16(0xFF);
  const __m256i one_two = _mm256_set1_epi16(0x0201), two_one = _mm256_set1_epi16(0x0102);  // the first byte is low
  constexpr std::ptrdiff_t half = shi_tomasi_half / 2;
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 16) {
    // As pairs of bytes, for even columns e and the odd ones o that follow: left = (o[-1], e), right = (o, e[1]).
    const __m256i left = load_crossed(pixels + 2 * i - 1), right = load_crossed(pixels + 2 * i + 1);
    const __m256i odd_before = _mm256_and_si256(left, low_byte), odd = _mm256_and_si256(right, low_byte);
    const __m256i even = _mm256_srli_epi16(left, 8), even_after = _mm256_srli_epi16(right, 8);
    store(derived + i, _mm256_sub_epi16(odd, odd_before));
    store(derived + half + i, _mm256_sub_epi16(even_after, even));
    store(derived + 2 * half + i, _mm256_add_epi16(_mm256_maddubs_epi16(left, one_two), odd));
    store(derived + 3 * half + i, _mm256_add_epi16(_mm256_maddubs_epi16(right, two_one), even));
  }
}

// Gradients are pairs (gx, gy), those of the even columns in the first half of the row. As the halves of a derived row
// have the same order of columns, they are walked through as one.
void gradients_avx2(std::ptrdiff_t width, const std::int16_t* above, const std::int16_t* here,
                    const std::int16_t* below, std::int16_t* gradients) {
  for (std::ptrdiff_t odd = 0; odd < shi_tomasi_half; odd += shi_tomasi_half / 2) {
    for (std::ptrdiff_t i = odd; 2 * (i - odd) < width; i += 16) {
      const __m256i centre = load(here + i);
      const __m256i gx =
          _mm256_add_epi16(_mm256_add_epi16(load(above + i), load(below + i)), _mm256_add_epi16(centre, centre));
      const __m256i gy = _mm256_sub_epi16(load(below + shi_tomasi_half + i), load(above + shi_tomasi_half + i));
      store(gradients + 2 * i, _mm256_unpacklo_epi16(gx, gy));
      store(gradients + 2 * i + 16, _mm256_unpackhi_epi16(gx, gy));
    }
  }
}

struct Products {
  __m256i trace, difference, twice;
};

// Of eight columns of one parity. in^2 - out^2 = (in - out) (in + out), and with minus = in - out, plus = in + out also
// 2 (in_x in_y - out_x out_y) = minus_x plus_y + minus_y plus_x: each change takes one multiply-add.
Products change(const std::int16_t* entering, const std::int16_t* leaving) {
  const __m256i signs = _mm256_set1_epi32(static_cast<int>(0xFFFF0001));  // (x, -y)
  const __m256i swap = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
                                        10, 11, 8, 9, 14, 15, 12, 13);  // (y, x)
  const __m256i in = load(entering), out = load(leaving);
  const __m256i minus = _mm256_sub_epi16(in, out), plus = _mm256_add_epi16(in, out);
  return {_mm256_madd_epi16(minus, plus), _mm256_madd_epi16(minus, _mm256_sign_epi16(plus, signs)),
          _mm256_madd_epi16(minus, _mm256_shuffle_epi8(plus, swap))};
}

void slide_avx2(std::ptrdiff_t width, const std::int16_t* entering, const std::int16_t* leaving, TensorSums from,
                TensorSums to) {
  for (std::ptrdiff_t odd = 0; odd < 2; ++odd, entering += shi_tomasi_half, leaving += shi_tomasi_half) {
    for (std::ptrdiff_t i = 0; 2 * i < width; i += 8) {
      const Products by = change(entering + 2 * i, leaving + 2 * i);
      store(to.trace(odd) + i, _mm256_add_epi32(by.trace, load(from.trace(odd) + i)));
      store(to.difference(odd) + i, _mm256_add_epi32(by.difference, load(from.difference(odd) + i)));
      store(to.twice(odd) + i, _mm256_add_epi32(by.twice, load(from.twice(odd) + i)));
    }
  }
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order.
__m256 lambda_min(__m256i trace, __m256i difference, __m256i twice, __m256 gain) {
  const __m256 d = _mm256_cvtepi32_ps(difference), t = _mm256_cvtepi32_ps(twice);
  const __m256 root = _mm256_sqrt_ps(_mm256_add_ps(_mm256_mul_ps(d, d), _mm256_mul_ps(t, t)));
  return _mm256_mul_ps(_mm256_max_ps(_mm256_sub_ps(_mm256_cvtepi32_ps(trace), root), _mm256_setzero_ps()), gain);
}

// Even and odd columns back in one row.
void store_interleaved(float* out, __m256 even, __m256 odd) {
  const __m256 low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
  _mm256_storeu_ps(out, _mm256_permute2f128_ps(low, high, 0x20));
  _mm256_storeu_ps(out + 8, _mm256_permute2f128_ps(low, high, 0x31));
}

void score_and_slide_avx2(std::ptrdiff_t width, std::ptrdiff_t scored, float gain, const std::int16_t* entering,
                          const std::int16_t* leaving, TensorSums from, TensorSums to, float* out) {
  const __m256 gains = _mm256_set1_ps(gain);
  float last[16];
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 8) {
    const __m256i trace_even = load(from.trace(0) + i), trace_odd = load(from.trace(1) + i);
    const __m256i difference_even = load(from.difference(0) + i), difference_odd = load(from.difference(1) + i);
    const __m256i twice_even = load(from.twice(0) + i), twice_odd = load(from.twice(1) + i);
    const Products even_by = change(entering + 2 * i, leaving + 2 * i);
    store(to.trace(0) + i, _mm256_add_epi32(trace_even, even_by.trace));
    store(to.difference(0) + i, _mm256_add_epi32(difference_even, even_by.difference));
    store(to.twice(0) + i, _mm256_add_epi32(twice_even, even_by.twice));
    const Products odd_by = change(entering + shi_tomasi_half + 2 * i, leaving + shi_tomasi_half + 2 * i);
    store(to.trace(1) + i, _mm256_add_epi32(trace_odd, odd_by.trace));
    store(to.difference(1) + i, _mm256_add_epi32(difference_odd, odd_by.difference));
    store(to.twice(1) + i, _mm256_add_epi32(twice_odd, odd_by.twice));

    // An even column and the odd one after it have two of their three columns in common.
    const __m256i trace = _mm256_add_epi32(trace_even, trace_odd);
    const __m256i difference = _mm256_add_epi32(difference_even, difference_odd);
    const __m256i twice = _mm256_add_epi32(twice_even, twice_odd);
    const __m256 even = lambda_min(_mm256_add_epi32(trace, load(from.trace(1) + i - 1)),
                                   _mm256_add_epi32(difference, load(from.difference(1) + i - 1)),
                                   _mm256_add_epi32(twice, load(from.twice(1) + i - 1)), gains);
    const __m256 odd = lambda_min(_mm256_add_epi32(trace, load(from.trace(0) + i + 1)),
                                  _mm256_add_epi32(difference, load(from.difference(0) + i + 1)),
                                  _mm256_add_epi32(twice, load(from.twice(0) + i + 1)), gains);
    store_interleaved(2 * i + 16 <= scored ? out + 2 * i : last, even, odd);
  }
  std::memcpy(out + scored / 16 * 16, last, sizeof(float) * static_cast<std::size_t>(scored % 16));
}

// The sums of a window of 2 * reach + 1 columns about eight even columns and the odd ones after them. The pairs
// between the two ends are common to both.
struct Windows {
  __m256i even, odd;
};
Windows window_sums(const std::int32_t* even, const std::int32_t* odd, const std::int32_t* pairs, std::ptrdiff_t i,
                    std::ptrdiff_t reach) {
  const std::ptrdiff_t inner = (reach - 1) / 2, outer = inner + 1;
  __m256i common = load(pairs + i - inner);
  for (std::ptrdiff_t j = 1 - inner; j <= inner; ++j) common = _mm256_add_epi32(common, load(pairs + i + j));
  const __m256i before = reach % 2 ? common : _mm256_add_epi32(common, load(pairs + i - outer));
  const __m256i after = reach % 2 ? common : _mm256_add_epi32(common, load(pairs + i + outer));
  const __m256i odd_before = load(odd + i - outer), even_after = load(even + i + outer);
  if (reach % 2) return {_mm256_add_epi32(before, odd_before), _mm256_add_epi32(after, even_after)};
  return {_mm256_add_epi32(before, even_after), _mm256_add_epi32(after, odd_before)};
}

void add_pairs(std::ptrdiff_t width, const std::int32_t* even, const std::int32_t* odd, std::int32_t* pairs) {
  for (std::ptrdiff_t i = -8; 2 * i < width + 16; i += 8)
    store(pairs + i, _mm256_add_epi32(load(even + i), load(odd + i)));
}

void score_avx2(std::ptrdiff_t width, int block_size, float gain, TensorSums sums, TensorSums pairs, float* out) {
  const __m256 gains = _mm256_set1_ps(gain);
  const std::ptrdiff_t reach = block_size / 2;
  add_pairs(width, sums.trace(0), sums.trace(1), pairs.trace(0));
  add_pairs(width, sums.difference(0), sums.difference(1), pairs.difference(0));
  add_pairs(width, sums.twice(0), sums.twice(1), pairs.twice(0));
  float last[16];
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 8) {
    const Windows trace = window_sums(sums.trace(0), sums.trace(1), pairs.trace(0), i, reach);
    const Windows difference = window_sums(sums.difference(0), sums.difference(1), pairs.difference(0), i, reach);
    const Windows twice = window_sums(sums.twice(0), sums.twice(1), pairs.twice(0), i, reach);
    store_interleaved(2 * i + 16 <= width ? out + 2 * i : last,
                      lambda_min(trace.even, difference.even, twice.even, gains),
                      lambda_min(trace.odd, difference.odd, twice.odd, gains));
  }
  std::memcpy(out + width / 16 * 16, last, sizeof(float) * static_cast<std::size_t>(width % 16));
}

}  // namespace

const ShiTomasiRows shi_tomasi_rows_avx2 = {&derive_avx2, &gradients_avx2, &slide_avx2, &score_avx2,
                                            &score_and_slide_avx2};

void shi_tomasi_u8_f32_avx2(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch) {
  if (block_size == 3 && image.width >= shi_tomasi_strip)
    return shi_tomasi_by_strips_avx2(image, border, score, scratch);
  shi_tomasi_by_rows(image, block_size, border, score, scratch, shi_tomasi_rows_avx2);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
