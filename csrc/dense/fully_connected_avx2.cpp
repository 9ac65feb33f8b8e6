#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include <algorithm>  // min
#include <cstring>    // memcpy

#include "core/target.h"
#include "dense/dense.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

// `rows` samples by `panels` panels of eight outputs, their sums in registers. Products and sums are rounded
// separately, in the order of the inputs, as in the scalar loop.
EDGEFER_ALWAYS_INLINE void block(int rows, int panels, const float* x, std::ptrdiff_t inputs, const float* weights,
                                 const float* bias, __m256* sums) {
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) sums[r * panels + p] = _mm256_loadu_ps(bias + p * panel);
  for (std::ptrdiff_t i = 0; i < inputs; ++i, weights += panel) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const __m256 value = _mm256_broadcast_ss(x + r * inputs + i);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        __m256& sum = sums[r * panels + p];
        sum = _mm256_add_ps(sum, _mm256_mul_ps(value, _mm256_loadu_ps(weights + p * inputs * panel)));
      }
    }
  }
}

// `rows` samples: the panels in pairs, the first of them whole, then what is left.
EDGEFER_ALWAYS_INLINE void some_rows(int rows, int panels, const float* x, std::ptrdiff_t inputs, const float* packed,
                                     const float* bias, std::ptrdiff_t outputs, float* y) {
  __m256 sums[8];
  std::ptrdiff_t o = 0;
  for (; o + panels * panel <= outputs; o += panels * panel) {
    block(rows, panels, x, inputs, packed + o * inputs, bias + o, sums);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) _mm256_storeu_ps(y + r * outputs + o + p * panel, sums[r * panels + p]);
  }
  for (; o < outputs; o += panel) {
    block(rows, 1, x, inputs, packed + o * inputs, bias + o, sums);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      float eight[panel];
      _mm256_storeu_ps(eight, sums[r]);
      std::memcpy(y + r * outputs + o, eight, static_cast<std::size_t>(std::min(panel, outputs - o)) * sizeof(float));
    }
  }
}

}  // namespace

void fully_connected_f32_avx2(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y) {
  std::ptrdiff_t n = 0;
  for (; n + 4 <= batch; n += 4) some_rows(4, 2, x + n * inputs, inputs, packed, bias, outputs, y + n * outputs);
  for (; n < batch; ++n) some_rows(1, 4, x + n * inputs, inputs, packed, bias, outputs, y + n * outputs);
}

namespace {

__m256i load16(const std::int8_t* from) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Sums of products for up to four outputs; rows beyond `outputs` repeat the last one and are not used.
__m128i dot4(const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights, std::ptrdiff_t outputs,
             std::int32_t zero_point) {
  const std::int8_t* rows[4];
  for (std::ptrdiff_t j = 0; j < 4; ++j) rows[j] = weights + (j < outputs ? j : outputs - 1) * inputs;
  const __m256i shift = _mm256_set1_epi16(static_cast<std::int16_t>(zero_point));
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  std::ptrdiff_t i = 0;
  for (; i + 16 <= inputs; i += 16) {
    const __m256i value = _mm256_sub_epi16(load16(x + i), shift);  // -255 to 255
    a = _mm256_add_epi32(a, _mm256_madd_epi16(value, load16(rows[0] + i)));
    b = _mm256_add_epi32(b, _mm256_madd_epi16(value, load16(rows[1] + i)));
    c = _mm256_add_epi32(c, _mm256_madd_epi16(value, load16(rows[2] + i)));
    d = _mm256_add_epi32(d, _mm256_madd_epi16(value, load16(rows[3] + i)));
  }
  // Within each lane: the sums of a, b, c and d.
  const __m256i lanes = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  std::int32_t rest[4] = {};  // of at most 15 products
  for (; i < inputs; ++i)
    for (int j = 0; j < 4; ++j) rest[j] += (x[i] - zero_point) * rows[j][i];
  return _mm_add_epi32(sums, _mm_loadu_si128(reinterpret_cast<const __m128i*>(rest)));
}

// As `requantised`, for four outputs. AVX2 shifts 64 bits to the right only without sign: 2^63 is added before and
// taken off, as far as it has come, after.
__m128i requantised4(__m128i sums, std::ptrdiff_t o, const Requantisation& requantisation) {
  const auto four = [&](const std::int32_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
  const __m256i one = _mm256_set1_epi64x(1), sign = _mm256_set1_epi64x(INT64_MIN);
  const __m256i right = _mm256_cvtepi32_epi64(_mm_sub_epi32(_mm_set1_epi32(31), four(requantisation.shifts + o)));
  const __m256i product =
      _mm256_mul_epi32(_mm256_cvtepi32_epi64(sums), _mm256_cvtepi32_epi64(four(requantisation.multipliers + o)));
  const __m256i rounded = _mm256_add_epi64(product, _mm256_sllv_epi64(one, _mm256_sub_epi64(right, one)));
  const __m256i scaled =
      _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_xor_si256(rounded, sign), right), _mm256_srlv_epi64(sign, right));
  const __m256i moved = _mm256_add_epi64(scaled, _mm256_set1_epi64x(requantisation.output_zero_point));
  const __m256i low = _mm256_set1_epi64x(requantisation.activation_min);
  const __m256i high = _mm256_set1_epi64x(requantisation.activation_max);
  const __m256i raised = _mm256_blendv_epi8(moved, low, _mm256_cmpgt_epi64(low, moved));
  const __m256i clamped = _mm256_blendv_epi8(raised, high, _mm256_cmpgt_epi64(raised, high));
  // The lowest byte of each.
  const __m256i bytes = _mm256_shuffle_epi8(clamped, _mm256_set1_epi64x(0x8080808080800800));
  return _mm_unpacklo_epi16(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
}

}  // namespace

void fully_connected_s8_avx2(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                             const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                             const Requantisation& requantisation, std::int8_t* y) {
  for (std::ptrdiff_t n = 0; n < batch; ++n, x += inputs, y += outputs) {
    std::ptrdiff_t o = 0;
    for (; o + 4 <= outputs; o += 4) {
      const __m128i sums = _mm_add_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bias + o)),
                                         dot4(x, inputs, weights + o * inputs, 4, requantisation.input_zero_point));
      const std::int32_t four = _mm_cvtsi128_si32(requantised4(sums, o, requantisation));
      std::memcpy(y + o, &four, 4);
    }
    if (o == outputs) continue;
    std::uint32_t sums[4];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums),
                     dot4(x, inputs, weights + o * inputs, outputs - o, requantisation.input_zero_point));
    for (std::ptrdiff_t j = 0; o + j < outputs; ++j)
      y[o + j] = requantised(static_cast<std::int32_t>(sums[j] + static_cast<std::uint32_t>(bias[o + j])), o + j,
                             requantisation);
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
