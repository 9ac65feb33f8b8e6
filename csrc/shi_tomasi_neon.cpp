#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>  // std::memcpy

#include "shi_tomasi.h"

namespace edgefer {
namespace {

constexpr std::ptrdiff_t quarter = shi_tomasi_half / 2;

// a - b of eight pixels as s16: the wrapped unsigned difference is the signed one.
int16x8_t difference(uint8x8_t a, uint8x8_t b) { return vreinterpretq_s16_u16(vsubl_u8(a, b)); }

// left + 2 * centre + right.
int16x8_t smoothed(uint8x8_t left, uint8x8_t centre, uint8x8_t right) {
  return vreinterpretq_s16_u16(vaddq_u16(vaddl_u8(left, right), vshll_n_u8(centre, 1)));
}

// Derived rows hold even and odd columns of `across`, then of `smooth`, a quarter of the row each.
void derive_neon(std::ptrdiff_t width, const std::uint8_t* pixels, std::int16_t* derived) {
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 16) {
    // left = (o[-1], e) and right = (o, e[1]) for even columns e and the odd ones o that follow.
    const uint8x16x2_t left = vld2q_u8(pixels + 2 * i - 1), right = vld2q_u8(pixels + 2 * i + 1);
    const uint8x8_t before_low = vget_low_u8(left.val[0]), before_high = vget_high_u8(left.val[0]);
    const uint8x8_t even_low = vget_low_u8(left.val[1]), even_high = vget_high_u8(left.val[1]);
    const uint8x8_t odd_low = vget_low_u8(right.val[0]), odd_high = vget_high_u8(right.val[0]);
    const uint8x8_t after_low = vget_low_u8(right.val[1]), after_high = vget_high_u8(right.val[1]);
    vst1q_s16(derived + i, difference(odd_low, before_low));
    vst1q_s16(derived + i + 8, difference(odd_high, before_high));
    vst1q_s16(derived + quarter + i, difference(after_low, even_low));
    vst1q_s16(derived + quarter + i + 8, difference(after_high, even_high));
    vst1q_s16(derived + 2 * quarter + i, smoothed(before_low, even_low, odd_low));
    vst1q_s16(derived + 2 * quarter + i + 8, smoothed(before_high, even_high, odd_high));
    vst1q_s16(derived + 3 * quarter + i, smoothed(even_low, odd_low, after_low));
    vst1q_s16(derived + 3 * quarter + i + 8, smoothed(even_high, odd_high, after_high));
  }
}

// Gradients are in the order of derived rows: even and odd columns of gx, then of gy.
void gradients_neon(std::ptrdiff_t width, const std::int16_t* above, const std::int16_t* here,
                    const std::int16_t* below, std::int16_t* gradients) {
  for (std::ptrdiff_t odd = 0; odd < 2 * quarter; odd += quarter) {
    for (std::ptrdiff_t i = odd; 2 * (i - odd) < width; i += 8) {
      const int16x8_t outer = vaddq_s16(vld1q_s16(above + i), vld1q_s16(below + i));
      vst1q_s16(gradients + i, vaddq_s16(outer, vshlq_n_s16(vld1q_s16(here + i), 1)));
      const std::ptrdiff_t y = 2 * quarter + i;
      vst1q_s16(gradients + y, vsubq_s16(vld1q_s16(below + y), vld1q_s16(above + y)));
    }
  }
}

// The planes hold ixx, iyy and 2 ixy here, as products come one at a time; trace and difference are made of them when
// the window has been summed.
std::int32_t* ixx(TensorSums sums, std::ptrdiff_t odd) { return sums.trace(odd); }
std::int32_t* iyy(TensorSums sums, std::ptrdiff_t odd) { return sums.difference(odd); }
std::int32_t* ixy_twice(TensorSums sums, std::ptrdiff_t odd) { return sums.twice(odd); }

// in^2 - out^2 = (in - out) (in + out), and with minus = in - out, plus = in + out also
// 2 (in_x in_y - out_x out_y) = minus_x plus_y + minus_y plus_x.
void slide_neon(std::ptrdiff_t width, const std::int16_t* entering, const std::int16_t* leaving, TensorSums from,
                TensorSums to) {
  for (std::ptrdiff_t odd = 0; odd < 2; ++odd, entering += quarter, leaving += quarter) {
    for (std::ptrdiff_t i = 0; 2 * i < width; i += 8) {
      const int16x8_t x_in = vld1q_s16(entering + i), x_out = vld1q_s16(leaving + i);
      const int16x8_t y_in = vld1q_s16(entering + 2 * quarter + i), y_out = vld1q_s16(leaving + 2 * quarter + i);
      const int16x8_t minus_x = vsubq_s16(x_in, x_out), plus_x = vaddq_s16(x_in, x_out);
      const int16x8_t minus_y = vsubq_s16(y_in, y_out), plus_y = vaddq_s16(y_in, y_out);
      const int32x4_t xx_low = vld1q_s32(ixx(from, odd) + i), xx_high = vld1q_s32(ixx(from, odd) + i + 4);
      vst1q_s32(ixx(to, odd) + i, vmlal_s16(xx_low, vget_low_s16(minus_x), vget_low_s16(plus_x)));
      vst1q_s32(ixx(to, odd) + i + 4, vmlal_high_s16(xx_high, minus_x, plus_x));
      const int32x4_t yy_low = vld1q_s32(iyy(from, odd) + i), yy_high = vld1q_s32(iyy(from, odd) + i + 4);
      vst1q_s32(iyy(to, odd) + i, vmlal_s16(yy_low, vget_low_s16(minus_y), vget_low_s16(plus_y)));
      vst1q_s32(iyy(to, odd) + i + 4, vmlal_high_s16(yy_high, minus_y, plus_y));
      int32x4_t xy_low = vld1q_s32(ixy_twice(from, odd) + i), xy_high = vld1q_s32(ixy_twice(from, odd) + i + 4);
      xy_low = vmlal_s16(xy_low, vget_low_s16(minus_x), vget_low_s16(plus_y));
      xy_high = vmlal_high_s16(xy_high, minus_x, plus_y);
      vst1q_s32(ixy_twice(to, odd) + i, vmlal_s16(xy_low, vget_low_s16(minus_y), vget_low_s16(plus_x)));
      vst1q_s32(ixy_twice(to, odd) + i + 4, vmlal_high_s16(xy_high, minus_y, plus_x));
    }
  }
}

// The square root of whole numbers, rounded as fsqrt rounds it, but in a pipeline, which fsqrt holds up. Two Newton
// steps bring the estimate of 1 / sqrt(x) to float precision; the root it gives, off by one unit at most, is put right
// by its exact remainder. Equal to fsqrt for every float of two binades, and so for all; a step fewer is not. Where x
// is 0, so is the root.
float32x4_t root(float32x4_t x) {
  const float32x4_t positive = vmaxq_f32(x, vdupq_n_f32(1.0f));
  float32x4_t inverse = vrsqrteq_f32(positive);
  inverse = vmulq_f32(inverse, vrsqrtsq_f32(vmulq_f32(positive, inverse), inverse));
  inverse = vmulq_f32(inverse, vrsqrtsq_f32(vmulq_f32(positive, inverse), inverse));
  const float32x4_t near = vmulq_f32(x, inverse), half = vmulq_n_f32(inverse, 0.5f);
  return vfmaq_f32(near, vfmsq_f32(x, near, near), half);
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order, in two passes over a row: the root has ten steps one after
// the other, and only where little else lies between them do enough columns come together to fill the pipeline.
struct BeforeRoot {
  float trace[2][shi_tomasi_half / 2];   // even and odd columns
  float square[2][shi_tomasi_half / 2];  // difference^2 + twice^2
};

void store_before_root(BeforeRoot& row, std::ptrdiff_t odd, std::ptrdiff_t i, int32x4_t xx, int32x4_t yy,
                       int32x4_t xy_twice) {
  const float32x4_t d = vcvtq_f32_s32(vsubq_s32(xx, yy)), t = vcvtq_f32_s32(xy_twice);
  vst1q_f32(row.trace[odd] + i, vcvtq_f32_s32(vaddq_s32(xx, yy)));
  vst1q_f32(row.square[odd] + i, vaddq_f32(vmulq_f32(d, d), vmulq_f32(t, t)));
}

float32x4_t lambda_min(const float* trace, const float* square, float gain) {
  const float32x4_t twice = vsubq_f32(vld1q_f32(trace), root(vld1q_f32(square)));
  return vmulq_n_f32(vmaxq_f32(twice, vdupq_n_f32(0.0f)), gain);
}

void finish(std::ptrdiff_t width, float gain, const BeforeRoot& row, float* out) {
  float last[8];
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 4) {
    const float32x4_t even = lambda_min(row.trace[0] + i, row.square[0] + i, gain);
    const float32x4_t odd = lambda_min(row.trace[1] + i, row.square[1] + i, gain);
    vst2q_f32(2 * i + 8 <= width ? out + 2 * i : last, {{even, odd}});
  }
  std::memcpy(out + width / 8 * 8, last, sizeof(float) * static_cast<std::size_t>(width % 8));
}

void sum_three_columns(std::ptrdiff_t width, TensorSums sums, BeforeRoot& row) {
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 4) {
    // An even column and the odd one after it have two of their three columns in common.
    const int32x4_t xx = vaddq_s32(vld1q_s32(ixx(sums, 0) + i), vld1q_s32(ixx(sums, 1) + i));
    const int32x4_t yy = vaddq_s32(vld1q_s32(iyy(sums, 0) + i), vld1q_s32(iyy(sums, 1) + i));
    const int32x4_t xy = vaddq_s32(vld1q_s32(ixy_twice(sums, 0) + i), vld1q_s32(ixy_twice(sums, 1) + i));
    store_before_root(row, 0, i, vaddq_s32(xx, vld1q_s32(ixx(sums, 1) + i - 1)),
                      vaddq_s32(yy, vld1q_s32(iyy(sums, 1) + i - 1)),
                      vaddq_s32(xy, vld1q_s32(ixy_twice(sums, 1) + i - 1)));
    store_before_root(row, 1, i, vaddq_s32(xx, vld1q_s32(ixx(sums, 0) + i + 1)),
                      vaddq_s32(yy, vld1q_s32(iyy(sums, 0) + i + 1)),
                      vaddq_s32(xy, vld1q_s32(ixy_twice(sums, 0) + i + 1)));
  }
}

// The sums of a window of 2 * reach + 1 columns about four even columns and the odd ones after them. The pairs between
// the two ends are common to both.
struct Windows {
  int32x4_t even, odd;
};
Windows window_sums(const std::int32_t* even, const std::int32_t* odd, const std::int32_t* pairs, std::ptrdiff_t i,
                    std::ptrdiff_t reach) {
  const std::ptrdiff_t inner = (reach - 1) / 2, outer = inner + 1;
  int32x4_t common = vld1q_s32(pairs + i - inner);
  for (std::ptrdiff_t j = 1 - inner; j <= inner; ++j) common = vaddq_s32(common, vld1q_s32(pairs + i + j));
  const int32x4_t odd_before = vld1q_s32(odd + i - outer), even_after = vld1q_s32(even + i + outer);
  if (reach % 2) return {vaddq_s32(common, odd_before), vaddq_s32(common, even_after)};
  return {vaddq_s32(vaddq_s32(common, vld1q_s32(pairs + i - outer)), even_after),
          vaddq_s32(vaddq_s32(common, vld1q_s32(pairs + i + outer)), odd_before)};
}

void add_pairs(std::ptrdiff_t width, const std::int32_t* even, const std::int32_t* odd, std::int32_t* pairs) {
  for (std::ptrdiff_t i = -8; 2 * i < width + 16; i += 4)
    vst1q_s32(pairs + i, vaddq_s32(vld1q_s32(even + i), vld1q_s32(odd + i)));
}

void score_neon(std::ptrdiff_t width, int block_size, float gain, TensorSums sums, TensorSums pairs, float* out) {
  const std::ptrdiff_t reach = block_size / 2;
  add_pairs(width, ixx(sums, 0), ixx(sums, 1), ixx(pairs, 0));
  add_pairs(width, iyy(sums, 0), iyy(sums, 1), iyy(pairs, 0));
  add_pairs(width, ixy_twice(sums, 0), ixy_twice(sums, 1), ixy_twice(pairs, 0));
  BeforeRoot row;
  for (std::ptrdiff_t i = 0; 2 * i < width; i += 4) {
    const Windows xx = window_sums(ixx(sums, 0), ixx(sums, 1), ixx(pairs, 0), i, reach);
    const Windows yy = window_sums(iyy(sums, 0), iyy(sums, 1), iyy(pairs, 0), i, reach);
    const Windows xy = window_sums(ixy_twice(sums, 0), ixy_twice(sums, 1), ixy_twice(pairs, 0), i, reach);
    store_before_root(row, 0, i, xx.even, yy.even, xy.even);
    store_before_root(row, 1, i, xx.odd, yy.odd, xy.odd);
  }
  finish(width, gain, row, out);
}

void score_and_slide_neon(std::ptrdiff_t width, std::ptrdiff_t scored, float gain, const std::int16_t* entering,
                          const std::int16_t* leaving, TensorSums from, TensorSums to, float* out) {
  BeforeRoot row;
  sum_three_columns(scored, from, row);
  finish(scored, gain, row, out);
  slide_neon(width, entering, leaving, from, to);
}

}  // namespace

const ShiTomasiRows shi_tomasi_rows_neon = {&derive_neon, &gradients_neon, &slide_neon, &score_neon,
                                            &score_and_slide_neon};

void shi_tomasi_u8_f32_neon(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch) {
  shi_tomasi_by_rows(image, block_size, border, score, scratch, shi_tomasi_rows_neon);
}

}  // namespace edgefer
#endif
