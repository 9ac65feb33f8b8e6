// The family of corners: the Shi-Tomasi score of every pixel, and the best corners by it.
#pragma once

#include "core/plane.h"

namespace edgefer {

// shi_tomasi: smaller eigenvalue of the structure tensor summed over a square window of odd side block_size, 3 to 15.
// Gradients are Sobel 3x3 divided by 4 * 255 * block_size, so the score is that of cv2.cornerMinEigenVal. The border
// rule holds for the image under the Sobel and again for the gradient products under the window, as in OpenCV.
// `scratch` is the caller's, 64-byte aligned, of shi_tomasi_scratch_bytes; its contents do not matter.
std::size_t shi_tomasi_scratch_bytes(std::ptrdiff_t width, int block_size);
using ShiTomasiFn = void(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch);
ShiTomasiFn shi_tomasi_u8_f32_scalar, shi_tomasi_u8_f32_avx2, shi_tomasi_u8_f32_avx512vnni, shi_tomasi_u8_f32_neon;

// good_corners: local maxima of the shi_tomasi score (reflect101), best first, at least min_distance apart.
// Fewer than 2^31 pixels; max_corners 0 means no limit; quality_level > 0 and min_distance >= 0, both finite;
// mask.data may be null, else it has the image's size. `scratch` as above, of good_corners_scratch_bytes; on return
// it begins with the corners, and their number is returned.
struct CornerLimits {
  std::ptrdiff_t max_corners;
  double quality_level;
  double min_distance;
  int block_size;
};
std::size_t good_corners_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, int block_size);
using GoodCornersFn = std::ptrdiff_t(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch);
GoodCornersFn good_corners_u8_scalar, good_corners_u8_avx2, good_corners_u8_avx512vnni, good_corners_u8_neon;

}  // namespace edgefer
