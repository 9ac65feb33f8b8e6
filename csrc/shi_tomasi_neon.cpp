#if defined(__aarch64__)
#include <arm_neon.h>

#include "good_corners.h"
#include "rows.h"

namespace edgefer {
namespace {

// += in_a * in_b - out_a * out_b of eight columns.
void add_products(int16x8_t in_a, int16x8_t in_b, int16x8_t out_a, int16x8_t out_b, std::int32_t* sum) {
  int32x4_t low = vmlal_s16(vld1q_s32(sum), vget_low_s16(in_a), vget_low_s16(in_b));
  int32x4_t high = vmlal_high_s16(vld1q_s32(sum + 4), in_a, in_b);
  low = vmlsl_s16(low, vget_low_s16(out_a), vget_low_s16(out_b));
  high = vmlsl_high_s16(high, out_a, out_b);
  vst1q_s32(sum, low);
  vst1q_s32(sum + 4, high);
}

void slide_neon(std::ptrdiff_t width, const std::int16_t* gx_in, const std::int16_t* gy_in, const std::int16_t* gx_out,
                const std::int16_t* gy_out, std::int32_t* ixx, std::int32_t* ixy, std::int32_t* iyy) {
  for (std::ptrdiff_t x = 0; x < width; x += 8) {  // past the width lie zeros
    const int16x8_t x_in = vld1q_s16(gx_in + x), x_out = vld1q_s16(gx_out + x);
    const int16x8_t y_in = vld1q_s16(gy_in + x), y_out = vld1q_s16(gy_out + x);
    add_products(x_in, x_in, x_out, x_out, ixx + x);
    add_products(x_in, y_in, x_out, y_out, ixy + x);
    add_products(y_in, y_in, y_out, y_out, iyy + x);
  }
}

// (a * c - b * b) * gain of two pixels, in double until the end. Multiply and subtract stay apart: fused, they would
// round once where the other variants round twice.
float32x2_t numerator2(int32x2_t ixx, int32x2_t ixy, int32x2_t iyy, double gain) {
  const float64x2_t a = vcvtq_f64_s64(vmovl_s32(ixx));
  const float64x2_t b = vcvtq_f64_s64(vmovl_s32(ixy));
  const float64x2_t c = vcvtq_f64_s64(vmovl_s32(iyy));
  const float64x2_t det = vsubq_f64(vmulq_f64(a, c), vmulq_f64(b, b));
  return vcvt_f32_f64(vmulq_n_f64(det, gain));
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order, for four pixels.
float32x4_t lambda_min4(int32x4_t ixx, int32x4_t ixy, int32x4_t iyy, double gain) {
  const float32x2_t low = numerator2(vget_low_s32(ixx), vget_low_s32(ixy), vget_low_s32(iyy), gain);
  const float32x2_t high = numerator2(vget_high_s32(ixx), vget_high_s32(ixy), vget_high_s32(iyy), gain);
  const float32x4_t difference = vcvtq_f32_s32(vsubq_s32(ixx, iyy));
  const float32x4_t twice = vcvtq_f32_s32(vaddq_s32(ixy, ixy));
  const float32x4_t root = vsqrtq_f32(vaddq_f32(vmulq_f32(difference, difference), vmulq_f32(twice, twice)));
  const float32x4_t denominator = vaddq_f32(vcvtq_f32_s32(vaddq_s32(ixx, iyy)), root);
  return vdivq_f32(vcombine_f32(low, high), vmaxq_f32(denominator, vdupq_n_f32(1.0f)));
}

int32x4_t window_sum(const std::int32_t* sums, int block_size) {
  int32x4_t total = vld1q_s32(sums);
  for (int i = 1; i < block_size; ++i) total = vaddq_s32(total, vld1q_s32(sums + i));
  return total;
}

void score_neon(std::ptrdiff_t width, int block_size, double gain, const std::int32_t* ixx, const std::int32_t* ixy,
                const std::int32_t* iyy, float* out) {
  std::ptrdiff_t x = 0;
  for (; x + 4 <= width; x += 4)
    vst1q_f32(out + x, lambda_min4(window_sum(ixx + x, block_size), window_sum(ixy + x, block_size),
                                   window_sum(iyy + x, block_size), gain));
  shi_tomasi_score_columns(x, width, block_size, gain, ixx, ixy, iyy, out);
}

constexpr ShiTomasiRows neon_rows = {&sobel_row_u8_s16_neon, &slide_neon, &score_neon};

}  // namespace

void shi_tomasi_u8_f32_neon(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch) {
  shi_tomasi_by_rows(image, block_size, border, score, scratch, neon_rows);
}

std::ptrdiff_t good_corners_u8_neon(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_score(image, mask, limits, scratch, &shi_tomasi_u8_f32_neon);
}

}  // namespace edgefer
#endif
