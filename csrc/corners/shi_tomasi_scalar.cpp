#include <cmath>  // std::sqrt

#include "corners/rows.h"

namespace edgefer {
namespace {

void derive_scalar(std::ptrdiff_t width, const std::uint8_t* pixels, std::int16_t* __restrict derived) {
  for (std::ptrdiff_t x = 0; x < width; ++x) {
    derived[x] = static_cast<std::int16_t>(pixels[x + 1] - pixels[x - 1]);
    derived[shi_tomasi_half + x] = static_cast<std::int16_t>(pixels[x - 1] + 2 * pixels[x] + pixels[x + 1]);
  }
}

void gradients_scalar(std::ptrdiff_t width, const std::int16_t* above, const std::int16_t* here,
                      const std::int16_t* below, std::int16_t* __restrict gradients) {
  for (std::ptrdiff_t x = 0; x < width; ++x) {
    gradients[x] = static_cast<std::int16_t>(above[x] + 2 * here[x] + below[x]);
    gradients[shi_tomasi_half + x] = static_cast<std::int16_t>(below[shi_tomasi_half + x] - above[shi_tomasi_half + x]);
  }
}

// gx^2 + gy^2 <= 20 * 255^2 at a pixel, so a window of 15 x 15 sums to at most 292,612,500: exact in s32.
void slide_scalar(std::ptrdiff_t width, const std::int16_t* entering, const std::int16_t* leaving, TensorSums from,
                  TensorSums to) {
  for (std::ptrdiff_t x = 0; x < width; ++x) {
    const std::ptrdiff_t odd = x & 1, i = x >> 1;
    const int gx_in = entering[x], gy_in = entering[shi_tomasi_half + x];
    const int gx_out = leaving[x], gy_out = leaving[shi_tomasi_half + x];
    const int xx = gx_in * gx_in - gx_out * gx_out, yy = gy_in * gy_in - gy_out * gy_out;
    to.trace(odd)[i] = from.trace(odd)[i] + xx + yy;
    to.difference(odd)[i] = from.difference(odd)[i] + xx - yy;
    to.twice(odd)[i] = from.twice(odd)[i] + 2 * (gx_in * gy_in - gx_out * gy_out);
  }
}

// A window's sum, slid along a row. What a tile's worthless columns hold may wrap; it leaves as it came.
struct RunningSum {
  const std::int32_t *even, *odd;
  std::uint32_t total = 0;

  std::int32_t at(std::ptrdiff_t x) const {
    const auto* sums = x & 1 ? odd : even;  // in one expression, GCC 12 under UBSan indexes with an unset x
    return sums[x >> 1];
  }
  void enter(std::ptrdiff_t x) { total += static_cast<std::uint32_t>(at(x)); }
  void leave(std::ptrdiff_t x) { total -= static_cast<std::uint32_t>(at(x)); }
  std::int32_t value() const { return static_cast<std::int32_t>(total); }
};

// The smaller root of z^2 - trace z + det: (trace - sqrt(difference^2 + twice^2)) / 2, in float from here on. The sums
// are exact in float at block_size 3, being at most 9 * 20 * 255^2 < 2^24, and are rounded once for the larger ones.
float lambda_min(std::int32_t trace, std::int32_t difference, std::int32_t twice, float gain) {
  const auto d = static_cast<float>(difference), t = static_cast<float>(twice);
  const float twice_lambda = static_cast<float>(trace) - std::sqrt(d * d + t * t);
  return (twice_lambda > 0.0f ? twice_lambda : 0.0f) * gain;
}

void score_scalar(std::ptrdiff_t width, int block_size, float gain, TensorSums sums, TensorSums, float* out) {
  const std::ptrdiff_t reach = block_size / 2;
  RunningSum trace{sums.trace(0), sums.trace(1)}, difference{sums.difference(0), sums.difference(1)};
  RunningSum twice{sums.twice(0), sums.twice(1)};
  for (std::ptrdiff_t x = -reach; x < reach; ++x) trace.enter(x), difference.enter(x), twice.enter(x);
  for (std::ptrdiff_t x = 0; x < width; ++x) {
    trace.enter(x + reach), difference.enter(x + reach), twice.enter(x + reach);
    out[x] = lambda_min(trace.value(), difference.value(), twice.value(), gain);
    trace.leave(x - reach), difference.leave(x - reach), twice.leave(x - reach);
  }
}

void score_and_slide_scalar(std::ptrdiff_t width, std::ptrdiff_t scored, float gain, const std::int16_t* entering,
                            const std::int16_t* leaving, TensorSums from, TensorSums to, float* out) {
  score_scalar(scored, 3, gain, from, from, out);
  slide_scalar(width, entering, leaving, from, to);
}

}  // namespace

const ShiTomasiRows shi_tomasi_rows_scalar = {&derive_scalar, &gradients_scalar, &slide_scalar, &score_scalar,
                                              &score_and_slide_scalar};

void shi_tomasi_u8_f32_scalar(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch) {
  shi_tomasi_by_rows(image, block_size, border, score, scratch, shi_tomasi_rows_scalar);
}

}  // namespace edgefer
