#if defined(__x86_64__)
#include <immintrin.h>  // AVX-512 F, BW, VL, VNNI

#include <algorithm>  // min

#include "core/target.h"
#include "dense/dense.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC's own intrinsics leave operands unset on purpose (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

EDGEFER_BEGIN_AVX512VNNI

namespace edgefer {
namespace {

// For 8 or 16 outputs the sums of (x + 128) * weight, or of the weights alone when x is null; rows beyond `outputs`
// repeat the last one. VPDPBUSD multiplies unsigned by signed bytes and adds four products to 32 bits, wrapping:
// x + 128 is x with its highest bit flipped. Always inline, so that `count` is a constant and the sums stand in
// registers.
EDGEFER_ALWAYS_INLINE void dot(int count, const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights,
                               std::ptrdiff_t outputs, __m512i* sums) {
  const std::int8_t* rows[16];
  for (int j = 0; j < count; ++j) {
    rows[j] = weights + std::min<std::ptrdiff_t>(j, outputs - 1) * inputs;
    sums[j] = _mm512_setzero_si512();
  }
  const __m512i flip = _mm512_set1_epi8(-128), ones = _mm512_set1_epi8(1);
  std::ptrdiff_t i = 0;
  for (; i + 64 <= inputs; i += 64) {
    const __m512i value = x ? _mm512_xor_si512(_mm512_loadu_si512(x + i), flip) : ones;
#pragma GCC unroll 16
    for (int j = 0; j < count; ++j) sums[j] = _mm512_dpbusd_epi32(sums[j], value, _mm512_loadu_si512(rows[j] + i));
  }
  if (i < inputs) {  // weights that are not there count as 0
    const __mmask64 there = ~__mmask64{0} >> (64 - (inputs - i));
    const __m512i value = x ? _mm512_xor_si512(_mm512_maskz_loadu_epi8(there, x + i), flip) : ones;
#pragma GCC unroll 16
    for (int j = 0; j < count; ++j)
      sums[j] = _mm512_dpbusd_epi32(sums[j], value, _mm512_maskz_loadu_epi8(there, rows[j] + i));
  }
}

// The sums within each of eight vectors. Each step halves what is left of a sum: of a lane's a0 a1 a2 a3 and
// b0 b1 b2 b3 it makes a02 b02 a13 b13.
__m256i added(const __m512i* s) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(s[0], s[1]), _mm512_unpackhi_epi32(s[0], s[1]));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(s[2], s[3]), _mm512_unpackhi_epi32(s[2], s[3]));
  const __m512i ef = _mm512_add_epi32(_mm512_unpacklo_epi32(s[4], s[5]), _mm512_unpackhi_epi32(s[4], s[5]));
  const __m512i gh = _mm512_add_epi32(_mm512_unpacklo_epi32(s[6], s[7]), _mm512_unpackhi_epi32(s[6], s[7]));
  const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m512i efgh = _mm512_add_epi32(_mm512_unpacklo_epi64(ef, gh), _mm512_unpackhi_epi64(ef, gh));
  // What is left are four lanes of each; the halves of a vector first, then the lanes of what remains.
  const __m256i left = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  const __m256i right = _mm256_add_epi32(_mm512_castsi512_si256(efgh), _mm512_extracti64x4_epi64(efgh, 1));
  return _mm256_add_epi32(_mm256_permute2x128_si256(left, right, 0x20), _mm256_permute2x128_si256(left, right, 0x31));
}

__m256i dot8(const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights, std::ptrdiff_t outputs) {
  __m512i sums[8];
  dot(8, x, inputs, weights, outputs, sums);
  return added(sums);
}

// As `requantised`, for the outputs of the mask.
void requantise8(__m256i sums, __mmask8 there, std::ptrdiff_t o, const Requantisation& requantisation, std::int8_t* y) {
  const __m512i multiplier = _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(there, requantisation.multipliers + o));
  const __m256i shift = _mm256_maskz_loadu_epi32(there, requantisation.shifts + o);
  // The last bit but one decides the rounding: (p + 2^(r - 1)) >> r is ((p >> (r - 1)) + 1) >> 1.
  const __m512i right = _mm512_cvtepi32_epi64(_mm256_sub_epi32(_mm256_set1_epi32(30), shift));
  const __m512i product = _mm512_mul_epi32(_mm512_cvtepi32_epi64(sums), multiplier);
  const __m512i scaled =
      _mm512_srai_epi64(_mm512_add_epi64(_mm512_srav_epi64(product, right), _mm512_set1_epi64(1)), 1);
  const __m512i moved = _mm512_add_epi64(scaled, _mm512_set1_epi64(requantisation.output_zero_point));
  const __m512i clamped = _mm512_min_epi64(_mm512_max_epi64(moved, _mm512_set1_epi64(requantisation.activation_min)),
                                           _mm512_set1_epi64(requantisation.activation_max));
  _mm512_mask_cvtepi64_storeu_epi8(y + o, there, clamped);
}

}  // namespace

void fully_connected_s8_avx512vnni(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                                   const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                                   const Requantisation& requantisation, std::int8_t* y) {
  const std::int32_t beyond = 128 + requantisation.input_zero_point;  // what x + 128 has too much
  std::ptrdiff_t o = 0;
  for (; beyond == 0 && o + 16 <= outputs; o += 16) {
    for (std::ptrdiff_t n = 0; n < batch; ++n) {
      __m512i sums[16];
      dot(16, x + n * inputs, inputs, weights + o * inputs, 16, sums);
      requantise8(_mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bias + o)), added(sums)), 0xff,
                  o, requantisation, y + n * outputs);
      requantise8(_mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bias + o + 8)), added(sums + 8)),
                  0xff, o + 8, requantisation, y + n * outputs);
    }
  }
  for (; o < outputs; o += 8) {
    const std::ptrdiff_t here = std::min<std::ptrdiff_t>(8, outputs - o);
    const auto there = static_cast<__mmask8>(0xff >> (8 - here));
    const std::int8_t* rows = weights + o * inputs;
    __m256i first = _mm256_maskz_loadu_epi32(there, bias + o);
    if (beyond != 0)
      first = _mm256_sub_epi32(first, _mm256_mullo_epi32(dot8(nullptr, inputs, rows, here), _mm256_set1_epi32(beyond)));
    for (std::ptrdiff_t n = 0; n < batch; ++n)
      requantise8(_mm256_add_epi32(first, dot8(x + n * inputs, inputs, rows, here)), there, o, requantisation,
                  y + n * outputs);
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
