#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>  // std::memcpy
#include <initializer_list>

#include "core/target.h"  // EDGEFER_ALWAYS_INLINE
#include "corners/rows.h"

namespace edgefer {
namespace {

constexpr std::ptrdiff_t quarter = shi_tomasi_half / 2;

// a - b of eight pixels as s16: the wrapped unsigned difference is the signed one.
int16x8_t difference(uint8x8_t a, uint8x8_t b) { return vreinterpretq_s16_u16(vsubl_u8(a, b)); }

// left + 2 * centre + right.
int16x8_t smoothed(uint8x8_t left, uint8x8_t centre, uint8x8_t right) {
  return vreinterpretq_s16_u16(vaddq_u16(vaddl_u8(left, right), vshll_n_u8(centre, 1)));
}

void store(std::int16_t* to, int16x8_t low, int16x8_t high) {
  const int16x8x2_t both = {{low, high}};  // named, because vst1q_s16_x2 is a macro of clang's
  vst1q_s16_x2(to, both);
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
    store(derived + i, difference(odd_low, before_low), difference(odd_high, before_high));
    store(derived + quarter + i, difference(after_low, even_low), difference(after_high, even_high));
    store(derived + 2 * quarter + i, smoothed(before_low, even_low, odd_low),
          smoothed(before_high, even_high, odd_high));
    store(derived + 3 * quarter + i, smoothed(even_low, odd_low, after_low), smoothed(even_high, odd_high, after_high));
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
// the window has been summed. Where they lie, seen from the plane of ixx for columns of the same parity:
constexpr std::ptrdiff_t ixx = 0, iyy = 2 * shi_tomasi_plane, ixy_twice = 4 * shi_tomasi_plane;

// Eight sums and the products of a and b.
void slide_plane(const std::int32_t* from, std::int32_t* to, int16x8_t a, int16x8_t b) {
  vst1q_s32(to, vmlal_s16(vld1q_s32(from), vget_low_s16(a), vget_low_s16(b)));
  vst1q_s32(to + 4, vmlal_high_s16(vld1q_s32(from + 4), a, b));
}

// in^2 - out^2 = (in - out) (in + out), and with minus = in - out, plus = in + out also
// 2 (in_x in_y - out_x out_y) = minus_x plus_y + minus_y plus_x.
void slide_neon(std::ptrdiff_t width, const std::int16_t* entering, const std::int16_t* leaving, TensorSums from,
                TensorSums to) {
  for (std::ptrdiff_t odd = 0; odd < 2; ++odd) {
    const std::int16_t *in = entering + odd * quarter, *out = leaving + odd * quarter;
    const std::int32_t* before = from.trace(odd);
    std::int32_t* after = to.trace(odd);
    for (std::ptrdiff_t i = 0; 2 * i < width; i += 8, in += 8, out += 8, before += 8, after += 8) {
      const int16x8_t x_in = vld1q_s16(in), x_out = vld1q_s16(out);
      const int16x8_t y_in = vld1q_s16(in + 2 * quarter), y_out = vld1q_s16(out + 2 * quarter);
      const int16x8_t minus_x = vsubq_s16(x_in, x_out), plus_x = vaddq_s16(x_in, x_out);
      const int16x8_t minus_y = vsubq_s16(y_in, y_out), plus_y = vaddq_s16(y_in, y_out);
      slide_plane(before, after, minus_x, plus_x);
      slide_plane(before + iyy, after + iyy, minus_y, plus_y);
      const int32x4_t low = vmlal_s16(vld1q_s32(before + ixy_twice), vget_low_s16(minus_x), vget_low_s16(plus_y));
      const int32x4_t high = vmlal_high_s16(vld1q_s32(before + ixy_twice + 4), minus_x, plus_y);
      vst1q_s32(after + ixy_twice, vmlal_s16(low, vget_low_s16(minus_y), vget_low_s16(plus_x)));
      vst1q_s32(after + ixy_twice + 4, vmlal_high_s16(high, minus_y, plus_x));
    }
  }
}

// lambda_min of shi_tomasi_scalar.cpp, in the same order, for four columns. Its two dozen operations wait for one
// another, more than a processor looks ahead, so they stand in two halves, and beside the first half for some columns
// the loops below do the second one for those before.
//
// The square root of whole numbers is rounded as fsqrt rounds it, but in a pipeline, which fsqrt holds up. Two Newton
// steps, one in each half, bring the estimate of 1 / sqrt(x) to float precision; the root it gives, off by one unit at
// most, is put right by its exact remainder. Equal to fsqrt for every float of two binades, and so for all; a step
// fewer is not: tests/device/root_neon.cpp. Where x is 0, so is the root.
struct HalfScore {
  float32x4_t trace, square, inverse;  // square is difference^2 + twice^2, and inverse near 1 / sqrt(square)
};

float32x4_t newton_step(float32x4_t x, float32x4_t inverse) {
  return vmulq_f32(inverse, vrsqrtsq_f32(vmulq_f32(x, inverse), inverse));
}

int32x4_t bits(float32x4_t x) { return vreinterpretq_s32_f32(x); }
float32x4_t of_bits(int32x4_t x) { return vreinterpretq_f32_s32(x); }

HalfScore with_inverse(float32x4_t trace, float32x4_t square) {
  // Floats from 0 on have the order of their bits, and integer operations take half the time.
  const float32x4_t positive = of_bits(vmaxq_s32(bits(square), bits(vdupq_n_f32(1.0f))));
  return {trace, square, newton_step(square, vrsqrteq_f32(positive))};
}

HalfScore half_score(int32x4_t xx, int32x4_t yy, int32x4_t xy_twice) {
  const float32x4_t d = vcvtq_f32_s32(vsubq_s32(xx, yy)), t = vcvtq_f32_s32(xy_twice);
  return with_inverse(vcvtq_f32_s32(vaddq_s32(xx, yy)), vaddq_f32(vmulq_f32(d, d), vmulq_f32(t, t)));
}

float32x4_t lambda_min(HalfScore half, float gain) {
  const float32x4_t inverse = newton_step(half.square, half.inverse), near = vmulq_f32(half.square, inverse);
  const float32x4_t half_inverse = of_bits(vsubq_s32(bits(inverse), vdupq_n_s32(1 << 23)));  // the exponent less one
  const float32x4_t root = vfmaq_f32(near, vfmsq_f32(half.square, near, near), half_inverse);
  // Less than zero as an integer where it is as a float.
  const int32x4_t twice_lambda = vmaxq_s32(bits(vsubq_f32(half.trace, root)), vdupq_n_s32(0));
  return vmulq_n_f32(of_bits(twice_lambda), gain);
}

void score_three_columns(std::ptrdiff_t width, float gain, TensorSums sums, float* out) {
  const std::int32_t *even = sums.trace(0), *odd = sums.trace(1);
  HalfScore half_even = {}, half_odd = {};
  float last[8];
  for (std::ptrdiff_t x = -8; x < width; x += 8, even += 4, odd += 4) {
    const float32x4x2_t scores = {{lambda_min(half_even, gain), lambda_min(half_odd, gain)}};
    // An even column and the odd one after it have two of their three columns in common.
    const int32x4_t xx = vaddq_s32(vld1q_s32(even), vld1q_s32(odd));
    const int32x4_t yy = vaddq_s32(vld1q_s32(even + iyy), vld1q_s32(odd + iyy));
    const int32x4_t xy = vaddq_s32(vld1q_s32(even + ixy_twice), vld1q_s32(odd + ixy_twice));
    half_even = half_score(vaddq_s32(xx, vld1q_s32(odd - 1)), vaddq_s32(yy, vld1q_s32(odd + iyy - 1)),
                           vaddq_s32(xy, vld1q_s32(odd + ixy_twice - 1)));
    half_odd = half_score(vaddq_s32(xx, vld1q_s32(even + 1)), vaddq_s32(yy, vld1q_s32(even + iyy + 1)),
                          vaddq_s32(xy, vld1q_s32(even + ixy_twice + 1)));
    vst2q_f32(x >= 0 && x + 8 <= width ? out + x : last, scores);
  }
  std::memcpy(out + width / 8 * 8, last, sizeof(float) * static_cast<std::size_t>(width % 8));
}

// The sums of a window of 2 * reach + 1 columns about four even columns and the odd ones after them. The pairs between
// the two ends are common to both.
struct Windows {
  int32x4_t even, odd;
};
EDGEFER_ALWAYS_INLINE Windows window_sums(const std::int32_t* even, const std::int32_t* odd, const std::int32_t* pairs,
                                          std::ptrdiff_t i, std::ptrdiff_t reach) {
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
  for (const std::ptrdiff_t plane : {ixx, iyy, ixy_twice})
    add_pairs(width, sums.trace(0) + plane, sums.trace(1) + plane, pairs.trace(0) + plane);
  HalfScore half_even = {}, half_odd = {};
  float last[8];
  std::ptrdiff_t i = 0;
  const auto sum = [&](std::ptrdiff_t plane) {
    return window_sums(sums.trace(0) + plane, sums.trace(1) + plane, pairs.trace(0) + plane, i, reach);
  };
  for (std::ptrdiff_t x = -8; x < width; x += 8, i += 4) {
    const float32x4x2_t scores = {{lambda_min(half_even, gain), lambda_min(half_odd, gain)}};
    const Windows xx = sum(ixx), yy = sum(iyy), xy = sum(ixy_twice);
    half_even = half_score(xx.even, yy.even, xy.even);
    half_odd = half_score(xx.odd, yy.odd, xy.odd);
    vst2q_f32(x >= 0 && x + 8 <= width ? out + x : last, scores);
  }
  std::memcpy(out + width / 8 * 8, last, sizeof(float) * static_cast<std::size_t>(width % 8));
}

void score_and_slide_neon(std::ptrdiff_t width, std::ptrdiff_t scored, float gain, const std::int16_t* entering,
                          const std::int16_t* leaving, TensorSums from, TensorSums to, float* out) {
  score_three_columns(scored, gain, from, out);
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
