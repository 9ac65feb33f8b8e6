#if defined(__x86_64__)
#include <immintrin.h>

#include "core/target.h"
#include "flow/flow.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load(const std::int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
void store(std::int16_t* p, __m256i value) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), value); }

// 16 pixels beside their right neighbours, s16: low has the pairs 0-3 and 8-11, high 4-7 and 12-15.
struct Pairs {
  __m256i low, high;
};
Pairs pairs(const std::uint8_t* p) {
  const __m256i here = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i right = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 1)));
  return {_mm256_unpacklo_epi16(here, right), _mm256_unpackhi_epi16(here, right)};
}

__m256i two_weights(std::int16_t first, std::int16_t second) {
  return _mm256_set1_epi32(static_cast<std::uint16_t>(first) | second << 16);
}

// Packing undoes the order of the pairs.
__m256i samples_16(Pairs upper, Pairs lower, __m256i upper_weights, __m256i lower_weights) {
  const __m256i half = _mm256_set1_epi32(1 << 8);
  const __m256i low =
      _mm256_add_epi32(_mm256_madd_epi16(upper.low, upper_weights), _mm256_madd_epi16(lower.low, lower_weights));
  const __m256i high =
      _mm256_add_epi32(_mm256_madd_epi16(upper.high, upper_weights), _mm256_madd_epi16(lower.high, lower_weights));
  return _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(low, half), 9),
                            _mm256_srai_epi32(_mm256_add_epi32(high, half), 9));
}

std::int32_t sum(__m256i lanes) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, _MM_SHUFFLE(2, 3, 0, 1))));
}

void sample(const std::uint8_t* pixels, std::ptrdiff_t stride, FlowWeights weights, int rows, std::int16_t* samples) {
  const __m256i upper_weights = two_weights(weights.here, weights.right);
  const __m256i lower_weights = two_weights(weights.below, weights.diagonal);
  Pairs upper = pairs(pixels);
  for (int y = 0; y < rows; ++y) {
    pixels += stride;
    const Pairs lower = pairs(pixels);
    store(samples + y * flow_row, samples_16(upper, lower, upper_weights, lower_weights));
    upper = lower;
  }
}

FlowSums gradients(const std::int16_t* samples, int window, std::int16_t* gx, std::int16_t* gy) {
  alignas(32) static constexpr std::int16_t ones_then_zeros[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                                   -1, -1, -1, -1, -1, -1, -1, -1};
  const __m256i inside = load(ones_then_zeros + flow_row - window);
  const __m256i half = _mm256_set1_epi16(4);
  __m256i xx = _mm256_setzero_si256(), xy = xx, yy = xx;
  for (int y = 0; y < window; ++y) {
    const std::int16_t* above = samples + y * flow_row;
    const std::int16_t* here = above + flow_row;
    const std::int16_t* below = here + flow_row;
    const __m256i right_less_left = _mm256_sub_epi16(load(here + 2), load(here));
    const __m256i below_less_above = _mm256_sub_epi16(load(below + 1), load(above + 1));
    const __m256i across = _mm256_and_si256(_mm256_srai_epi16(_mm256_add_epi16(right_less_left, half), 3), inside);
    const __m256i down = _mm256_and_si256(_mm256_srai_epi16(_mm256_add_epi16(below_less_above, half), 3), inside);
    store(gx + y * flow_row, across);
    store(gy + y * flow_row, down);
    xx = _mm256_add_epi32(xx, _mm256_madd_epi16(across, across));
    xy = _mm256_add_epi32(xy, _mm256_madd_epi16(across, down));
    yy = _mm256_add_epi32(yy, _mm256_madd_epi16(down, down));
  }
  return {sum(xx), sum(xy), sum(yy)};
}

FlowSlope mismatch(const std::uint8_t* pixels, std::ptrdiff_t stride, FlowWeights weights, int window,
                   const std::int16_t* target, const std::int16_t* gx, const std::int16_t* gy) {
  const __m256i upper_weights = two_weights(weights.here, weights.right);
  const __m256i lower_weights = two_weights(weights.below, weights.diagonal);
  __m256i x = _mm256_setzero_si256(), y = x;
  Pairs upper = pairs(pixels);
  for (int i = 0; i < window * flow_row; i += flow_row) {
    pixels += stride;
    const Pairs lower = pairs(pixels);
    const __m256i difference =
        _mm256_sub_epi16(samples_16(upper, lower, upper_weights, lower_weights), load(target + i));
    x = _mm256_add_epi32(x, _mm256_madd_epi16(difference, load(gx + i)));
    y = _mm256_add_epi32(y, _mm256_madd_epi16(difference, load(gy + i)));
    upper = lower;
  }
  return {sum(x), sum(y)};
}

}  // namespace

void flow_u8_f32_avx2(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch) {
  flow_by_points(before, after, points, window, levels, scratch, {sample, gradients, mismatch});
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
