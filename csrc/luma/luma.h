// The family of brightness planes: contract, and what the variants share.
#pragma once

#include "core/plane.h"

namespace edgefer {

// luma: the brightness plane of a camera frame, out of size (H, W).
//   yuyv: image rows hold W pairs (Y, U or V), so image.width is 2 * W.
//   nv12: image holds the H rows of Y and below them the H / 2 rows of interleaved U and V.
//   bgr:  image rows hold W triples; Y = (3735 B + 19235 G + 9798 R + 2^14) >> 15, which is BT.601's
//         0.114 B + 0.587 G + 0.299 R in 15 bits.
enum class LumaFormat { yuyv, nv12, bgr };
using LumaFn = void(ImageU8 image, LumaFormat format, OutputU8 out);
LumaFn luma_u8_scalar, luma_u8_sse41, luma_u8_avx2, luma_u8_neon;

// ------------------------------------------------------------------------------------------ shared by the variants

// Rows that follow one another without gaps make one long row, which has one end instead of many.
inline void join_rows(ImageU8& image, OutputU8& out) {
  if (image.row_stride != image.width || out.row_stride != out.width) return;
  image = {image.data, 1, image.width * out.height, image.width * out.height};
  out = {out.data, 1, out.width * out.height, out.width * out.height};
}

inline std::uint8_t luma_of_bgr(const std::uint8_t* pixel) {
  return static_cast<std::uint8_t>((3735 * pixel[0] + 19235 * pixel[1] + 9798 * pixel[2] + (1 << 14)) >> 15);
}

// The same in 16 bits, exactly, for vectors. With the weights as 256 * high + low, which are (15, 75, 38) and
// (-105, 35, 70), and the sums H = 15 B + 75 G + 38 R and L = -105 B + 35 G + 70 R, both in s16:
//   Y = (256 H + L + 2^14) >> 15 = (H + (L >> 8) + 64) >> 7
// because H + 64 is whole: the shifts round down one after the other as they do together.

}  // namespace edgefer
