// shi_tomasi for windows of 3x3 by strips of columns, a band of rows at a time: the gradients of a strip first, into
// memory, then its sums, walked downwards in registers.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>  // std::min, std::max

#include "core/target.h"
#include "corners/rows.h"

#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // of the undefined operands in GCC's own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

EDGEFER_BEGIN_AVX512VNNI

namespace edgefer {
namespace {

// A strip has 32 columns, even and odd ones apart, of which the outermost two are only seen by the windows of the rest.
// The first strip of an image begins in column -1 and the last one ends in column `width`.
constexpr std::ptrdiff_t strip = shi_tomasi_strip, inner = strip - 2, band = shi_tomasi_band;
constexpr std::ptrdiff_t ahead = 4;  // rows that the output is fetched before it is written
// 32 pixels from that many columns on from the strip's first, those beyond the image's edge by its border rule.
EDGEFER_ALWAYS_INLINE __m256i load(const std::uint8_t* pixels, std::ptrdiff_t edge, Side side, int from) {
  const __m256i beyond = _mm256_set1_epi8(static_cast<char>(pixels[edge]));
  if (side == Side::left && from < 1) return _mm256_mask_loadu_epi8(beyond, ~0u << (1 - from), pixels + from);
  if (side == Side::right && from > -1) return _mm256_mask_loadu_epi8(beyond, ~0u >> (1 + from), pixels + from);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pixels + from));
}

// 16 even or 16 odd columns of right - left, and of left + 2 * centre + right: both are made of the sums of two
// neighbours, left + centre and centre + right.
struct Derived {
  __m256i across_even, across_odd, smooth_even, smooth_odd;
};

EDGEFER_ALWAYS_INLINE Derived derive(const StripSource& source, Side side, std::ptrdiff_t y) {
  const std::uint8_t* const p = source.pixels + y * source.row_stride;
  const __m256i one = _mm256_set1_epi8(1);
  const __m256i before_even = _mm256_maddubs_epi16(load(p, source.edge, side, -1), one);
  const __m256i even_odd = _mm256_maddubs_epi16(load(p, source.edge, side, 0), one);
  const __m256i after_odd = _mm256_maddubs_epi16(load(p, source.edge, side, 1), one);
  return {_mm256_sub_epi16(even_odd, before_even), _mm256_sub_epi16(after_odd, even_odd),
          _mm256_add_epi16(before_even, even_odd), _mm256_add_epi16(even_odd, after_odd)};
}

// Pairs (gx, gy).
struct Gradients {
  __m512i even, odd;
};

EDGEFER_ALWAYS_INLINE __m512i paired(__m256i gx, __m256i gy) {
  const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  return _mm512_permutex2var_epi16(_mm512_castsi256_si512(gx), order, _mm512_castsi256_si512(gy));
}

// The column beyond an edge has the gradients of the column that the border rule puts there.
EDGEFER_ALWAYS_INLINE Gradients with_edge(Gradients g, Side side, Border border) {
  const int reflected = border == Border::reflect101;
  if (side == Side::left)
    g.even = _mm512_mask_permutex2var_epi32(g.even, 1, _mm512_set1_epi32(reflected ? 1 : 16), g.odd);
  if (side == Side::right)
    g.odd = _mm512_mask_permutex2var_epi32(g.odd, 0x8000, _mm512_set1_epi32(reflected ? 14 : 31), g.even);
  return g;
}

// The gradients of rows [begin - 1, end + 1), those of the rows above and below the image by its border rule.
EDGEFER_ALWAYS_INLINE void gradients_down(const StripSource& source, Side side, std::ptrdiff_t begin,
                                          std::ptrdiff_t end, Gradients* rows) {
  const auto row = [=](std::ptrdiff_t y) { return rows + (y - (begin - 1)); };
  const std::ptrdiff_t height = source.height, first = std::max<std::ptrdiff_t>(begin - 1, 0);
  const std::ptrdiff_t last = std::min(end + 1, height);
  Derived before = derive(source, side, first > 0 ? first - 1 : before_first(height, source.border));
  Derived here = derive(source, side, first);
  __m256i even_above = _mm256_add_epi16(before.across_even, here.across_even);
  __m256i odd_above = _mm256_add_epi16(before.across_odd, here.across_odd);
  for (std::ptrdiff_t y = first; y < last; ++y) {
    const Derived below = derive(source, side, y + 1 < height ? y + 1 : after_last(height, source.border));
    const __m256i even = _mm256_add_epi16(here.across_even, below.across_even);
    const __m256i odd = _mm256_add_epi16(here.across_odd, below.across_odd);
    const Gradients g = {
        paired(_mm256_add_epi16(even_above, even), _mm256_sub_epi16(below.smooth_even, before.smooth_even)),
        paired(_mm256_add_epi16(odd_above, odd), _mm256_sub_epi16(below.smooth_odd, before.smooth_odd))};
    *row(y) = with_edge(g, side, source.border);
    even_above = even;
    odd_above = odd;
    before = here;
    here = below;
  }
  if (begin == 0) *row(-1) = *row(before_first(height, source.border));
  if (end == height) *row(height) = *row(after_last(height, source.border));
}

// The strip of `image` whose first column is `first`.
void strip_gradients(ImageU8 image, Border border, std::ptrdiff_t first, std::ptrdiff_t begin, std::ptrdiff_t end,
                     Gradients* rows) {
  const StripSource source = strip_of(image, border, first);
  switch (side_of(first, image.width)) {
    case Side::left: return gradients_down(source, Side::left, begin, end, rows);
    case Side::middle: return gradients_down(source, Side::middle, begin, end, rows);
    case Side::right: return gradients_down(source, Side::right, begin, end, rows);
  }
}

// Sums of three rows, in columns of one parity.
struct Sums {
  __m512i trace, difference, twice;
};

// The sums one row further down, by the step of shi_tomasi_avx2.cpp.
EDGEFER_ALWAYS_INLINE Sums slid(Sums sums, __m512i in, __m512i out) {
  const __m512i minus = _mm512_sub_epi16(in, out), plus = _mm512_add_epi16(in, out);
  const __m512i y_negated = _mm512_mask_sub_epi16(plus, 0xAAAAAAAA, _mm512_setzero_si512(), plus);
  return {_mm512_dpwssd_epi32(sums.trace, minus, plus), _mm512_dpwssd_epi32(sums.difference, minus, y_negated),
          _mm512_dpwssd_epi32(sums.twice, minus, _mm512_rol_epi32(plus, 16))};
}

// Windows about the odd columns but the last, and about the even ones that follow them: two of three columns in common.
struct Windows {
  __m512i odd, even;
};
EDGEFER_ALWAYS_INLINE Windows windows(__m512i even, __m512i odd) {
  const __m512i common = _mm512_add_epi32(odd, _mm512_alignr_epi32(even, even, 1));
  return {_mm512_add_epi32(common, even), _mm512_add_epi32(common, _mm512_alignr_epi32(odd, odd, 1))};
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order.
EDGEFER_ALWAYS_INLINE __m512 lambda_min(__m512i trace, __m512i difference, __m512i twice, __m512 gain) {
  const __m512 d = _mm512_cvtepi32_ps(difference), t = _mm512_cvtepi32_ps(twice);
  const __m512 root = _mm512_sqrt_ps(_mm512_add_ps(_mm512_mul_ps(d, d), _mm512_mul_ps(t, t)));
  // Less than zero as an integer where it is as a float, and integers are compared twice as fast.
  const __m512i twice_lambda = _mm512_castps_si512(_mm512_sub_ps(_mm512_cvtepi32_ps(trace), root));
  return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_max_epi32(twice_lambda, _mm512_setzero_si512())), gain);
}

EDGEFER_ALWAYS_INLINE void store_interleaved(__m512 odd, __m512 even, float* out) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_setr_epi32(7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30);
  _mm512_storeu_ps(out, _mm512_permutex2var_ps(odd, low, even));
  _mm512_storeu_ps(out + inner - 16, _mm512_permutex2var_ps(odd, high, even));
}

// The scores of `count` rows from the gradients of two more; interleaved, or odd and even columns apart.
EDGEFER_ALWAYS_INLINE void score_down(const Gradients* rows, std::ptrdiff_t count, float gain, bool interleaved,
                                      float* out, std::ptrdiff_t out_stride) {
  const __m512 gains = _mm512_set1_ps(gain);
  const __m512i zero = _mm512_setzero_si512();
  Sums even{zero, zero, zero}, odd{zero, zero, zero};
  for (int y = 0; y < 3; ++y) {
    even = slid(even, rows[y].even, zero);
    odd = slid(odd, rows[y].odd, zero);
  }
  for (std::ptrdiff_t y = 0; y < count; ++y, ++rows, out += out_stride) {
    const Windows trace = windows(even.trace, odd.trace);
    const Windows difference = windows(even.difference, odd.difference);
    const Windows twice = windows(even.twice, odd.twice);
    even = slid(even, rows[3].even, rows[0].even);  // behind the last row, of what the memory happens to hold
    odd = slid(odd, rows[3].odd, rows[0].odd);
    const __m512 odd_score = lambda_min(trace.odd, difference.odd, twice.odd, gains);
    const __m512 even_score = lambda_min(trace.even, difference.even, twice.even, gains);
    if (interleaved) {
      // A strip touches each page of the output once or twice, too seldom for the processor to foresee it.
      __builtin_prefetch(out + ahead * out_stride + 16, 1);
      __builtin_prefetch(out + ahead * out_stride + inner - 1, 1);
      store_interleaved(odd_score, even_score, out);
    } else {
      _mm512_store_ps(out, odd_score);
      _mm512_store_ps(out + 16, even_score);
    }
  }
}

}  // namespace

void shi_tomasi_strip_avx512vnni(ImageU8 image, Border border, std::ptrdiff_t first, std::ptrdiff_t begin,
                                 std::ptrdiff_t end, float* scores, void* scratch) {
  auto* const rows = static_cast<Gradients*>(scratch);
  strip_gradients(image, border, first, begin, end, rows);
  score_down(rows, end - begin, shi_tomasi_gain(3), false, scores, strip);
}

void shi_tomasi_by_strips_avx512vnni(ImageU8 image, Border border, OutputF32 score, void* scratch) {
  static_assert(sizeof(Gradients) * (band + 3) <= shi_tomasi_strip_scratch);
  auto* const rows = static_cast<Gradients*>(scratch);
  const float gain = shi_tomasi_gain(3);
  for (std::ptrdiff_t begin = 0; begin < image.height; begin += band) {
    const std::ptrdiff_t end = std::min(begin + band, image.height);
    for (std::ptrdiff_t first = -1; first + inner < image.width; first = next_strip(first, inner, image.width)) {
      strip_gradients(image, border, first, begin, end, rows);
      score_down(rows, end - begin, gain, true, score.data + begin * score.row_stride + first + 1, score.row_stride);
    }
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
