// shi_tomasi for windows of 3x3 by strips of columns, walked downwards with everything that is needed again in
// registers.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>  // std::min

#include "shi_tomasi.h"
#include "target.h"

#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // of the undefined operands in GCC's own header
#endif

EDGEFER_BEGIN_AVX512VNNI

namespace edgefer {
namespace {

// A strip has 32 columns, even and odd ones apart, of which the outermost two are only seen by the windows of the rest.
// The first strip of an image begins in column -1 and the last one ends in column `width`.
constexpr std::ptrdiff_t strip = shi_tomasi_strip, inner = strip - 2;
constexpr std::ptrdiff_t band = 128;  // rows walked before the next strip, so that their output stays in the cache
constexpr std::ptrdiff_t ahead = 4;   // rows that the output is fetched before it is written
enum class Side { left, middle, right };

struct Source {
  const std::uint8_t* pixels;               // row 0 of the strip's first column, which may be column -1
  std::ptrdiff_t row_stride, height, edge;  // `edge`: where from `pixels` the pixel stands that is seen beyond the edge
  Border border;
};

// 16 even or 16 odd columns of right - left, and of left + 2 * centre + right.
struct Derived {
  __m256i across_even, across_odd, smooth_even, smooth_odd;
};

EDGEFER_ALWAYS_INLINE Derived derive(const Source& source, Side side, std::ptrdiff_t y) {
  const std::uint8_t* const p = source.pixels + y * source.row_stride;
  __m256i left, right;  // pairs of bytes: (odd before, even) and (odd, even after)
  if (side == Side::left)
    left = _mm256_mask_loadu_epi8(_mm256_set1_epi8(static_cast<char>(p[source.edge])), ~3u, p - 1);
  else
    left = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p - 1));
  if (side == Side::right)
    right = _mm256_mask_loadu_epi8(_mm256_set1_epi8(static_cast<char>(p[source.edge])), ~0u >> 2, p + 1);
  else
    right = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 1));
  const __m256i low_byte = _mm256_set1_epi16(0xFF);
  const __m256i odd_before = _mm256_and_si256(left, low_byte), odd = _mm256_and_si256(right, low_byte);
  const __m256i even = _mm256_srli_epi16(left, 8), even_after = _mm256_srli_epi16(right, 8);
  return {_mm256_sub_epi16(odd, odd_before), _mm256_sub_epi16(even_after, even),
          _mm256_add_epi16(_mm256_maddubs_epi16(left, _mm256_set1_epi16(0x0201)), odd),
          _mm256_add_epi16(_mm256_maddubs_epi16(right, _mm256_set1_epi16(0x0102)), even)};
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

struct HalfScore {
  __m512 trace, root;
};

// The walk down a strip: the last derived rows and the vertical sums of `across`, the last three rows of gradients, the
// column sums, and the scores of the row before, half done: so a root has the time of a row to be drawn in.
struct Walk {
  Derived before, here;
  __m256i across_even, across_odd;  // before + here
  Gradients first, second, third;
  __m512i trace_even, trace_odd, difference_even, difference_odd, twice_even, twice_odd;
  HalfScore half_odd, half_even;
};

EDGEFER_ALWAYS_INLINE Gradients next_gradients(Walk& w, Derived below) {
  const __m256i even = _mm256_add_epi16(w.here.across_even, below.across_even);
  const __m256i odd = _mm256_add_epi16(w.here.across_odd, below.across_odd);
  const Gradients g = {
      paired(_mm256_add_epi16(w.across_even, even), _mm256_sub_epi16(below.smooth_even, w.before.smooth_even)),
      paired(_mm256_add_epi16(w.across_odd, odd), _mm256_sub_epi16(below.smooth_odd, w.before.smooth_odd))};
  w.across_even = even;
  w.across_odd = odd;
  w.before = w.here;
  w.here = below;
  return g;
}

EDGEFER_ALWAYS_INLINE void begin_at(Walk& w, Derived before, Derived here) {
  w.before = before;
  w.here = here;
  w.across_even = _mm256_add_epi16(before.across_even, here.across_even);
  w.across_odd = _mm256_add_epi16(before.across_odd, here.across_odd);
}

// The column sums one row further down, by the step of shi_tomasi_avx2.cpp.
EDGEFER_ALWAYS_INLINE void slide(__m512i in, __m512i out, __m512i& trace, __m512i& difference, __m512i& twice) {
  const __m512i minus = _mm512_sub_epi16(in, out), plus = _mm512_add_epi16(in, out);
  const __m512i y_negated = _mm512_mask_sub_epi16(plus, 0xAAAAAAAA, _mm512_setzero_si512(), plus);
  trace = _mm512_dpwssd_epi32(trace, minus, plus);
  difference = _mm512_dpwssd_epi32(difference, minus, y_negated);
  twice = _mm512_dpwssd_epi32(twice, minus, _mm512_rol_epi32(plus, 16));
}

EDGEFER_ALWAYS_INLINE void enter(Walk& w, Gradients g) {
  slide(g.even, w.first.even, w.trace_even, w.difference_even, w.twice_even);
  slide(g.odd, w.first.odd, w.trace_odd, w.difference_odd, w.twice_odd);
  w.first = w.second;
  w.second = w.third;
  w.third = g;
}

// Windows about the odd columns but the last, and about the even ones that follow them: two of three columns in common.
struct Windows {
  __m512i odd, even;
};
EDGEFER_ALWAYS_INLINE Windows windows(__m512i even, __m512i odd) {
  const __m512i common = _mm512_add_epi32(odd, _mm512_alignr_epi32(even, even, 1));
  return {_mm512_add_epi32(common, even), _mm512_add_epi32(common, _mm512_alignr_epi32(odd, odd, 1))};
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order, in two parts.
EDGEFER_ALWAYS_INLINE HalfScore half_score(__m512i trace, __m512i difference, __m512i twice) {
  const __m512 d = _mm512_cvtepi32_ps(difference), t = _mm512_cvtepi32_ps(twice);
  return {_mm512_cvtepi32_ps(trace), _mm512_sqrt_ps(_mm512_add_ps(_mm512_mul_ps(d, d), _mm512_mul_ps(t, t)))};
}
EDGEFER_ALWAYS_INLINE __m512 lambda_min(HalfScore half, __m512 gain) {
  // Less than zero as an integer where it is as a float, and integers are compared twice as fast.
  const __m512i twice_lambda = _mm512_castps_si512(_mm512_sub_ps(half.trace, half.root));
  return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_max_epi32(twice_lambda, _mm512_setzero_si512())), gain);
}

// Finish the scores that are half done, and half do those of the window where it stands.
EDGEFER_ALWAYS_INLINE void score(Walk& w, __m512 gain, float* out) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_setr_epi32(7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30);
  const __m512 odd = lambda_min(w.half_odd, gain), even = lambda_min(w.half_even, gain);
  _mm512_storeu_ps(out, _mm512_permutex2var_ps(odd, low, even));
  _mm512_storeu_ps(out + inner - 16, _mm512_permutex2var_ps(odd, high, even));
  const Windows trace = windows(w.trace_even, w.trace_odd);
  const Windows difference = windows(w.difference_even, w.difference_odd);
  const Windows twice = windows(w.twice_even, w.twice_odd);
  w.half_odd = half_score(trace.odd, difference.odd, twice.odd);
  w.half_even = half_score(trace.even, difference.even, twice.even);
}

EDGEFER_ALWAYS_INLINE Derived derive_bordered(const Source& source, Side side, std::ptrdiff_t y) {
  return derive(source, side, border_index(y, source.height, source.border));
}

// Gradients of row y, which may be the one above or below the image.
EDGEFER_ALWAYS_INLINE Gradients gradients_of(const Source& source, Side side, std::ptrdiff_t y) {
  Walk w;
  const std::ptrdiff_t row = border_index(y, source.height, source.border);
  begin_at(w, derive_bordered(source, side, row - 1), derive(source, side, row));
  return with_edge(next_gradients(w, derive_bordered(source, side, row + 1)), side, source.border);
}

// Rows [begin, end); `out` is row `begin` of the strip's second column.
EDGEFER_ALWAYS_INLINE void walk_down(const Source& source, Side side, std::ptrdiff_t begin, std::ptrdiff_t end,
                                     float gain, float* out, std::ptrdiff_t out_stride) {
  const __m512 gains = _mm512_set1_ps(gain);
  const __m512i zero = _mm512_setzero_si512();
  Walk w;
  w.first = w.second = w.third = {zero, zero};
  w.trace_even = w.trace_odd = w.difference_even = w.difference_odd = w.twice_even = w.twice_odd = zero;
  w.half_odd = w.half_even = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  enter(w, gradients_of(source, side, begin - 1));
  enter(w, gradients_of(source, side, begin));
  begin_at(w, derive(source, side, begin), derive_bordered(source, side, begin + 1));

  // A row's scores are written two rows after its gradients are made; what is written before them is overwritten.
  // The gradients come first in the loop: meanwhile the roots of the row before are drawn.
  const std::ptrdiff_t last = source.height - 1, steady = std::min(end, last);
  for (std::ptrdiff_t y = begin; y < steady; ++y) {
    const std::ptrdiff_t below = y + 1 < last ? y + 2 : after_last(source.height, source.border);
    const Gradients g = with_edge(next_gradients(w, derive(source, side, below)), side, source.border);
    // A strip touches each page of the output once or twice, too seldom for the processor to foresee it.
    __builtin_prefetch(out + ahead * out_stride + 16, 1);
    __builtin_prefetch(out + ahead * out_stride + inner - 1, 1);
    score(w, gains, out);
    out += y < begin + 2 ? 0 : out_stride;
    enter(w, g);
  }
  for (std::ptrdiff_t y = steady; y < end + 2; ++y) {
    score(w, gains, out);
    out += y < begin + 2 ? 0 : out_stride;
    if (y == last && y < end) enter(w, gradients_of(source, side, source.height));
  }
}

}  // namespace

void shi_tomasi_by_strips_avx512vnni(ImageU8 image, Border border, OutputF32 score) {
  const float gain = shi_tomasi_gain(3);
  const Source first{image.data - 1, image.row_stride, image.height, 1 + before_first(image.width, border), border};
  const std::ptrdiff_t last_column = image.width + 1 - strip;
  for (std::ptrdiff_t begin = 0; begin < image.height; begin += band) {
    const std::ptrdiff_t end = std::min(begin + band, image.height);
    float* const out = score.data + begin * score.row_stride;
    walk_down(first, Side::left, begin, end, gain, out, score.row_stride);
    for (std::ptrdiff_t x = inner - 1; x < last_column; x += inner) {
      const std::ptrdiff_t column = std::min(x, last_column - 2);  // a strip looks one column beyond its own
      const Source source{image.data + column, image.row_stride, image.height, 0, border};
      walk_down(source, Side::middle, begin, end, gain, out + column + 1, score.row_stride);
    }
    const Source last{image.data + last_column, image.row_stride, image.height,
                      after_last(image.width, border) - last_column, border};
    walk_down(last, Side::right, begin, end, gain, out + last_column + 1, score.row_stride);
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
