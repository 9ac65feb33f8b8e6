#include <cmath>    // std::sqrt
#include <cstring>  // std::memset

#include "rows.h"

namespace edgefer {
namespace {

// Scratch: block_size + 1 rows each of gx and gy (s16), then the column sums ixx, ixy, iyy (s32) with the window's
// reach on both sides. Every part begins on a cache line.
struct Layout {
  std::ptrdiff_t gradient_row;  // elements
  std::ptrdiff_t sums_row;      // elements
  std::size_t gradients_bytes;
  std::size_t total_bytes;
};

std::ptrdiff_t rounded_up(std::ptrdiff_t count, std::ptrdiff_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

Layout layout_of(std::ptrdiff_t width, int block_size) {
  Layout layout;
  layout.gradient_row = rounded_up(width, 32);
  layout.sums_row = rounded_up(width, 32) + 32;  // reach of the window, and whole vectors read from any column
  layout.gradients_bytes = sizeof(std::int16_t) * 2 * (block_size + 1) * layout.gradient_row;
  layout.total_bytes = layout.gradients_bytes + sizeof(std::int32_t) * 3 * layout.sums_row;
  return layout;
}

// |g| <= 1020, so a window of 15 x 15 sums to at most 234,090,000: exact in s32.
void slide_scalar(std::ptrdiff_t width, const std::int16_t* gx_in, const std::int16_t* gy_in,
                  const std::int16_t* gx_out, const std::int16_t* gy_out, std::int32_t* __restrict ixx,
                  std::int32_t* __restrict ixy, std::int32_t* __restrict iyy) {
  for (std::ptrdiff_t x = 0; x < width; ++x) {
    ixx[x] += gx_in[x] * gx_in[x] - gx_out[x] * gx_out[x];
    ixy[x] += gx_in[x] * gy_in[x] - gx_out[x] * gy_out[x];
    iyy[x] += gy_in[x] * gy_in[x] - gy_out[x] * gy_out[x];
  }
}

// The smaller root of z^2 - trace z + det, written as 2 det / (trace + sqrt(trace^2 - 4 det)): the textbook
// difference trace - sqrt(...) would lose every digit along an edge, where the roots lie far apart.
//
// det is rounded in double. gx^2 + gy^2 <= 20 * 255^2 at a pixel, so a*c <= (block^2 * 10 * 255^2)^2 < 2^53 up to
// block 11: there det is exact. Beyond, rounding keeps the order of a*c >= b*b, so det is never negative, and it is
// zero where the gradients are parallel. The rest is float: each step adds at most 2^-24 of the result.
inline float lambda_min(std::int32_t ixx, std::int32_t ixy, std::int32_t iyy, double gain) {
  const double a = ixx, b = ixy, c = iyy;
  const float numerator = static_cast<float>((a * c - b * b) * gain);
  const float difference = static_cast<float>(ixx - iyy);
  const float twice = static_cast<float>(2 * ixy);
  const float root = std::sqrt(difference * difference + twice * twice);
  const float denominator = static_cast<float>(ixx + iyy) + root;
  return numerator / (denominator < 1.0f ? 1.0f : denominator);  // below 1 only where it is 0, and so is det
}

void score_scalar(std::ptrdiff_t width, int block_size, double gain, const std::int32_t* ixx, const std::int32_t* ixy,
                  const std::int32_t* iyy, float* out) {
  shi_tomasi_score_columns(0, width, block_size, gain, ixx, ixy, iyy, out);
}

constexpr ShiTomasiRows scalar_rows = {&sobel_row_u8_s16_scalar, &slide_scalar, &score_scalar};

}  // namespace

std::size_t shi_tomasi_scratch_bytes(std::ptrdiff_t width, int block_size) {
  return layout_of(width, block_size).total_bytes;
}

void shi_tomasi_score_columns(std::ptrdiff_t begin, std::ptrdiff_t width, int block_size, double gain,
                              const std::int32_t* ixx, const std::int32_t* ixy, const std::int32_t* iyy, float* out) {
  if (begin >= width) return;
  std::int32_t xx = 0, xy = 0, yy = 0;
  for (std::ptrdiff_t i = begin; i < begin + block_size - 1; ++i) xx += ixx[i], xy += ixy[i], yy += iyy[i];
  for (std::ptrdiff_t x = begin; x < width; ++x) {
    const std::ptrdiff_t right = x + block_size - 1;
    xx += ixx[right], xy += ixy[right], yy += iyy[right];
    out[x] = lambda_min(xx, xy, yy, gain);
    xx -= ixx[x], xy -= ixy[x], yy -= iyy[x];
  }
}

void shi_tomasi_by_rows(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch,
                        const ShiTomasiRows& rows) {
  const Layout layout = layout_of(image.width, block_size);
  const std::ptrdiff_t width = image.width, height = image.height, reach = block_size / 2;
  std::memset(scratch, 0, layout.total_bytes);  // before the window has filled, zeros leave it

  auto* const gradients = static_cast<std::int16_t*>(scratch);
  std::int32_t* sums[3];
  sums[0] = reinterpret_cast<std::int32_t*>(static_cast<char*>(scratch) + layout.gradients_bytes);
  sums[1] = sums[0] + layout.sums_row;
  sums[2] = sums[1] + layout.sums_row;

  const double scale = 1.0 / (4.0 * 255.0 * block_size);
  const double gain = 2.0 * scale * scale;

  // `entering` is the row that comes under the window whose centre is `reach` rows above it. The
  // ring has one slot more than the window has rows: a row is made while the one that leaves is still read.
  for (std::ptrdiff_t entering = -reach; entering < height + reach; ++entering) {
    const std::ptrdiff_t slot = (entering + reach) % (block_size + 1);
    const std::ptrdiff_t leaving_slot = (slot + 1) % (block_size + 1);  // entered block_size rows ago
    std::int16_t* const gx = gradients + 2 * slot * layout.gradient_row;
    std::int16_t* const gy = gx + layout.gradient_row;
    const std::int16_t* const gx_out = gradients + 2 * leaving_slot * layout.gradient_row;
    const std::int16_t* const gy_out = gx_out + layout.gradient_row;

    rows.sobel(three_rows(image, border_index(entering, height, border), border), width, border, gx, gy);
    rows.slide(width, gx, gy, gx_out, gy_out, sums[0] + reach, sums[1] + reach, sums[2] + reach);
    const std::ptrdiff_t centre = entering - reach;
    if (centre < 0) continue;
    for (std::int32_t* sum : sums) {
      for (std::ptrdiff_t i = 1; i <= reach; ++i) {
        sum[reach - i] = sum[reach + border_index(-i, width, border)];
        sum[reach + width - 1 + i] = sum[reach + border_index(width - 1 + i, width, border)];
      }
    }
    rows.score(width, block_size, gain, sums[0], sums[1], sums[2], score.data + centre * score.row_stride);
  }
}

void shi_tomasi_u8_f32_scalar(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch) {
  shi_tomasi_by_rows(image, block_size, border, score, scratch, scalar_rows);
}

}  // namespace edgefer
