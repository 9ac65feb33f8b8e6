// shi_tomasi for windows of 3x3 by strips of columns, as in shi_tomasi_strips_avx512vnni.cpp.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>  // std::min, std::max
#include <cstring>    // std::memcpy

#include "core/target.h"
#include "corners/rows.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

constexpr std::ptrdiff_t strip = shi_tomasi_strip, inner = strip - 2, band = shi_tomasi_band;
constexpr std::ptrdiff_t ahead = 4;  // rows that the output is fetched before it is written

// The 32 pixels from the one before the strip's first, from its first, and from its second, those beyond the image's
// edge by its border rule.
struct Pixels {
  __m256i before, here, after;
};
EDGEFER_ALWAYS_INLINE Pixels load(const std::uint8_t* pixels, std::ptrdiff_t edge, Side side) {
  const auto at = [pixels](int from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pixels + from)); };
  const __m256i beyond = _mm256_set1_epi8(static_cast<char>(pixels[edge]));
  if (side == Side::left) {
    const __m256i inside = at(1), moved = _mm256_permute2x128_si256(inside, inside, 0x08);
    const __m256i one = _mm256_alignr_epi8(inside, moved, 15), two = _mm256_alignr_epi8(inside, moved, 14);
    const __m256i first = _mm256_setr_epi32(0xFF, 0, 0, 0, 0, 0, 0, 0);
    const __m256i first_two = _mm256_setr_epi32(0xFFFF, 0, 0, 0, 0, 0, 0, 0);
    return {_mm256_or_si256(two, _mm256_and_si256(beyond, first_two)),
            _mm256_or_si256(one, _mm256_and_si256(beyond, first)), inside};
  }
  if (side == Side::right) {
    const __m256i inside = at(-1), moved = _mm256_permute2x128_si256(inside, inside, 0x81);
    const __m256i one = _mm256_alignr_epi8(moved, inside, 1), two = _mm256_alignr_epi8(moved, inside, 2);
    const __m256i last = _mm256_setr_epi32(0, 0, 0, 0, 0, 0, 0, static_cast<int>(0xFF000000));
    const __m256i last_two = _mm256_setr_epi32(0, 0, 0, 0, 0, 0, 0, static_cast<int>(0xFFFF0000));
    return {inside, _mm256_or_si256(one, _mm256_and_si256(beyond, last)),
            _mm256_or_si256(two, _mm256_and_si256(beyond, last_two))};
  }
  return {at(-1), at(0), at(1)};
}

// Of sixteen columns of either parity right - left, and left + 2 * centre + right.
struct Derived {
  __m256i across_even, across_odd, smooth_even, smooth_odd;
};
EDGEFER_ALWAYS_INLINE Derived derive(const StripSource& source, Side side, std::ptrdiff_t y) {
  const Pixels p = load(source.pixels + y * source.row_stride, source.edge, side);
  const __m256i one = _mm256_set1_epi8(1);
  const __m256i before_even = _mm256_maddubs_epi16(p.before, one);
  const __m256i even_odd = _mm256_maddubs_epi16(p.here, one);
  const __m256i after_odd = _mm256_maddubs_epi16(p.after, one);
  return {_mm256_sub_epi16(even_odd, before_even), _mm256_sub_epi16(after_odd, even_odd),
          _mm256_add_epi16(before_even, even_odd), _mm256_add_epi16(even_odd, after_odd)};
}

// Sixteen columns of one parity, which unpacking leaves in this order: 0-3 and 8-11, 4-7 and 12-15.
struct Columns {
  __m256i low, high;
};
EDGEFER_ALWAYS_INLINE Columns added(Columns a, Columns b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
// The columns one further on; the last is worthless.
EDGEFER_ALWAYS_INLINE Columns next(Columns c) {
  return {_mm256_alignr_epi8(c.high, c.low, 4),
          _mm256_alignr_epi8(_mm256_permute2x128_si256(c.low, c.low, 0x11), c.high, 4)};
}

// Pairs (gx, gy).
struct Gradients {
  Columns even, odd;
};

// The gradients of rows [begin - 1, end + 1).
EDGEFER_ALWAYS_INLINE void gradients_down(const StripSource& source, Side side, std::ptrdiff_t begin,
                                          std::ptrdiff_t end, Gradients* rows) {
  const auto row = [=](std::ptrdiff_t y) { return rows + (y - (begin - 1)); };
  const std::ptrdiff_t height = source.height, first = std::max<std::ptrdiff_t>(begin - 1, 0);
  const std::ptrdiff_t last = std::min(end + 1, height);
  const bool reflected = source.border == Border::reflect101;
  Derived before = derive(source, side, first > 0 ? first - 1 : before_first(height, source.border));
  Derived here = derive(source, side, first);
  __m256i even_above = _mm256_add_epi16(before.across_even, here.across_even);
  __m256i odd_above = _mm256_add_epi16(before.across_odd, here.across_odd);
  for (std::ptrdiff_t y = first; y < last; ++y) {
    const Derived below = derive(source, side, y + 1 < height ? y + 1 : after_last(height, source.border));
    const __m256i even = _mm256_add_epi16(here.across_even, below.across_even);
    const __m256i odd = _mm256_add_epi16(here.across_odd, below.across_odd);
    const __m256i gx_even = _mm256_add_epi16(even_above, even), gx_odd = _mm256_add_epi16(odd_above, odd);
    const __m256i gy_even = _mm256_sub_epi16(below.smooth_even, before.smooth_even);
    const __m256i gy_odd = _mm256_sub_epi16(below.smooth_odd, before.smooth_odd);
    *row(y) = {{_mm256_unpacklo_epi16(gx_even, gy_even), _mm256_unpackhi_epi16(gx_even, gy_even)},
               {_mm256_unpacklo_epi16(gx_odd, gy_odd), _mm256_unpackhi_epi16(gx_odd, gy_odd)}};
    // The column beyond an edge has the gradients of the column that the border rule puts there.
    auto* const pairs = reinterpret_cast<std::int32_t*>(row(y));
    if (side == Side::left) std::memcpy(pairs, pairs + (reflected ? 1 : 16), 4);
    if (side == Side::right) std::memcpy(pairs + 31, pairs + (reflected ? 30 : 15), 4);
    even_above = even;
    odd_above = odd;
    before = here;
    here = below;
  }
  if (begin == 0) *row(-1) = *row(before_first(height, source.border));
  if (end == height) *row(height) = *row(after_last(height, source.border));
}

void strip_gradients(ImageU8 image, Border border, std::ptrdiff_t first, std::ptrdiff_t begin, std::ptrdiff_t end,
                     Gradients* rows) {
  const StripSource source = strip_of(image, border, first);
  switch (side_of(first, image.width)) {
    case Side::left: return gradients_down(source, Side::left, begin, end, rows);
    case Side::middle: return gradients_down(source, Side::middle, begin, end, rows);
    case Side::right: return gradients_down(source, Side::right, begin, end, rows);
  }
}

// Pairs (gy, gx).
EDGEFER_ALWAYS_INLINE __m256i exchanged(__m256i pairs) {
  const __m256i order = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
                                         10, 11, 8, 9, 14, 15, 12, 13);
  return _mm256_shuffle_epi8(pairs, order);
}

// Sums of three rows.
struct Sums {
  Columns trace, difference, twice;
};

EDGEFER_ALWAYS_INLINE void slide(__m256i in, __m256i out, __m256i& trace, __m256i& difference, __m256i& twice) {
  const __m256i minus = _mm256_sub_epi16(in, out), plus = _mm256_add_epi16(in, out);
  const __m256i y_negated = _mm256_sign_epi16(plus, _mm256_set1_epi32(static_cast<int>(0xFFFF0001)));
  trace = _mm256_add_epi32(trace, _mm256_madd_epi16(minus, plus));
  difference = _mm256_add_epi32(difference, _mm256_madd_epi16(minus, y_negated));
  twice = _mm256_add_epi32(twice, _mm256_madd_epi16(minus, exchanged(plus)));
}
EDGEFER_ALWAYS_INLINE void slide(Columns in, Columns out, Sums& sums) {
  slide(in.low, out.low, sums.trace.low, sums.difference.low, sums.twice.low);
  slide(in.high, out.high, sums.trace.high, sums.difference.high, sums.twice.high);
}

// Windows about the odd columns but the last, and about the even ones that follow them.
struct Windows {
  Columns odd, even;
};
EDGEFER_ALWAYS_INLINE Windows windows(Columns even, Columns odd) {
  const Columns common = added(odd, next(even));
  return {added(common, even), added(common, next(odd))};
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order.
EDGEFER_ALWAYS_INLINE __m256 lambda_min(__m256i trace, __m256i difference, __m256i twice, __m256 gain) {
  const __m256 d = _mm256_cvtepi32_ps(difference), t = _mm256_cvtepi32_ps(twice);
  const __m256 root = _mm256_sqrt_ps(_mm256_add_ps(_mm256_mul_ps(d, d), _mm256_mul_ps(t, t)));
  const __m256i twice_lambda = _mm256_castps_si256(_mm256_sub_ps(_mm256_cvtepi32_ps(trace), root));
  return _mm256_mul_ps(_mm256_castsi256_ps(_mm256_max_epi32(twice_lambda, _mm256_setzero_si256())), gain);
}

// 8 columns and the 8 that lie 16 further on; of the last of them only 6 are a strip's.
EDGEFER_ALWAYS_INLINE void store_interleaved(__m256 odd, __m256 even, float* out, bool last) {
  const __m256 low = _mm256_unpacklo_ps(odd, even), high = _mm256_unpackhi_ps(odd, even);
  _mm256_storeu_ps(out, _mm256_permute2f128_ps(low, high, 0x20));
  if (last) {
    _mm_storeu_ps(out + 16, _mm256_extractf128_ps(low, 1));
    _mm_storel_pi(reinterpret_cast<__m64*>(out + 20), _mm256_extractf128_ps(high, 1));
  } else {
    _mm256_storeu_ps(out + 16, _mm256_permute2f128_ps(low, high, 0x31));
  }
}

EDGEFER_ALWAYS_INLINE void score_down(const Gradients* rows, std::ptrdiff_t count, float gain, bool interleaved,
                                      float* out, std::ptrdiff_t out_stride) {
  const __m256 gains = _mm256_set1_ps(gain);
  const __m256i zero = _mm256_setzero_si256();
  const Columns zeros{zero, zero};
  Sums even{zeros, zeros, zeros}, odd{zeros, zeros, zeros};
  for (int y = 0; y < 3; ++y) {
    slide(rows[y].even, zeros, even);
    slide(rows[y].odd, zeros, odd);
  }
  for (std::ptrdiff_t y = 0; y < count; ++y, ++rows, out += out_stride) {
    const Windows trace = windows(even.trace, odd.trace);
    const Windows difference = windows(even.difference, odd.difference);
    const Windows twice = windows(even.twice, odd.twice);
    slide(rows[3].even, rows[0].even, even);
    slide(rows[3].odd, rows[0].odd, odd);
    const __m256 odd_low = lambda_min(trace.odd.low, difference.odd.low, twice.odd.low, gains);
    const __m256 even_low = lambda_min(trace.even.low, difference.even.low, twice.even.low, gains);
    const __m256 odd_high = lambda_min(trace.odd.high, difference.odd.high, twice.odd.high, gains);
    const __m256 even_high = lambda_min(trace.even.high, difference.even.high, twice.even.high, gains);
    if (interleaved) {
      __builtin_prefetch(out + ahead * out_stride + 16, 1);
      __builtin_prefetch(out + ahead * out_stride + inner - 1, 1);
      store_interleaved(odd_low, even_low, out, false);
      store_interleaved(odd_high, even_high, out + 8, true);
    } else {
      _mm256_store_ps(out, odd_low);
      _mm256_store_ps(out + 8, odd_high);
      _mm256_store_ps(out + 16, even_low);
      _mm256_store_ps(out + 24, even_high);
    }
  }
}

}  // namespace

void shi_tomasi_strip_avx2(ImageU8 image, Border border, std::ptrdiff_t first, std::ptrdiff_t begin, std::ptrdiff_t end,
                           float* scores, void* scratch) {
  auto* const rows = static_cast<Gradients*>(scratch);
  strip_gradients(image, border, first, begin, end, rows);
  score_down(rows, end - begin, shi_tomasi_gain(3), false, scores, strip);
}

void shi_tomasi_by_strips_avx2(ImageU8 image, Border border, OutputF32 score, void* scratch) {
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
