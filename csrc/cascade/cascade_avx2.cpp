#if defined(__x86_64__)
#include <immintrin.h>

#include "cascade/cascade.h"
#include "core/target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load(const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

__m256i sums_inside(const std::int32_t* first, const std::int32_t (&corners)[4]) {
  return _mm256_sub_epi32(_mm256_sub_epi32(load(first + corners[3]), load(first + corners[2])),
                          _mm256_sub_epi32(load(first + corners[1]), load(first + corners[0])));
}

__m256 weighted(const CascadeNode& node, int rectangle, const std::int32_t* first) {
  return _mm256_mul_ps(_mm256_set1_ps(node.weights[rectangle]),
                       _mm256_cvtepi32_ps(sums_inside(first, node.corners[rectangle])));
}

// All bits where the feature is at least its threshold.
__m256 at_least(const CascadeNode& node, const std::int32_t* first, __m256 reciprocals) {
  __m256 value = _mm256_add_ps(weighted(node, 0, first), weighted(node, 1, first));
  if (node.weights[2] != 0) value = _mm256_add_ps(value, weighted(node, 2, first));
  return _mm256_cmp_ps(_mm256_mul_ps(value, reciprocals), _mm256_set1_ps(node.threshold), _CMP_NLT_UQ);
}

// Of four windows, and all bits where there is enough contrast.
__m128 reciprocal_contrast(__m128i sums, __m128i squares, __m256d area, __m256d* enough) {
  const __m256d sum = _mm256_cvtepi32_pd(sums), square = _mm256_cvtepi32_pd(squares);
  const __m256d spread = _mm256_sub_pd(_mm256_mul_pd(area, square), _mm256_mul_pd(sum, sum));
  const __m256d one = _mm256_set1_pd(1.0), some = _mm256_cmp_pd(spread, _mm256_setzero_pd(), _CMP_GT_OQ);
  const __m256d root = _mm256_sqrt_pd(_mm256_blendv_pd(one, spread, some));
  const __m128 reciprocal = _mm256_cvtpd_ps(_mm256_div_pd(one, root));
  *enough = _mm256_and_pd(
      some, _mm256_cmp_pd(_mm256_mul_pd(area, _mm256_cvtps_pd(reciprocal)), _mm256_set1_pd(0.1), _CMP_LT_OQ));
  return reciprocal;
}

unsigned contrast(CascadeWindows windows, const CascadeInner& inner, float* reciprocal) {
  const __m256d area = _mm256_set1_pd(inner.area);
  const __m256i sums = sums_inside(windows.sums, inner.corners), squares = sums_inside(windows.squares, inner.corners);
  __m256d low, high;
  _mm_storeu_ps(reciprocal,
                reciprocal_contrast(_mm256_castsi256_si128(sums), _mm256_castsi256_si128(squares), area, &low));
  _mm_storeu_ps(reciprocal + 4, reciprocal_contrast(_mm256_extracti128_si256(sums, 1),
                                                    _mm256_extracti128_si256(squares, 1), area, &high));
  return static_cast<unsigned>(_mm256_movemask_pd(low) | _mm256_movemask_pd(high) << 4);
}

unsigned stage(CascadeWindows windows, const CascadeTree* trees, std::ptrdiff_t count, float threshold,
               const float* reciprocal, unsigned) {
  const __m256 reciprocals = _mm256_loadu_ps(reciprocal);
  const __m256i one = _mm256_set1_epi32(1), two = _mm256_set1_epi32(2);
  __m256d low = _mm256_setzero_pd(), high = low;
  for (const CascadeTree* tree = trees; tree < trees + count; ++tree) {
    __m256i leaf = _mm256_and_si256(two, _mm256_castps_si256(at_least(tree->nodes[0], windows.sums, reciprocals)));
    if (tree->deeper)
      leaf = _mm256_or_si256(
          leaf, _mm256_and_si256(one, _mm256_castps_si256(at_least(tree->nodes[1], windows.sums, reciprocals))));
    const __m256 value = _mm256_permutevar_ps(_mm256_broadcast_ps(reinterpret_cast<const __m128*>(tree->leaves)), leaf);
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(value)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(value, 1)));
  }
  const __m256d limit = _mm256_set1_pd(static_cast<double>(threshold));
  return static_cast<unsigned>(_mm256_movemask_pd(_mm256_cmp_pd(low, limit, _CMP_NLT_UQ)) |
                               _mm256_movemask_pd(_mm256_cmp_pd(high, limit, _CMP_NLT_UQ)) << 4);
}

}  // namespace

std::ptrdiff_t cascade_u8_avx2(ImageU8 image, const Cascade& cascade, int step, void* scratch) {
  return cascade_by_rows(image, cascade, step, scratch, {contrast, stage});
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
