// The family of first and second derivatives: sobel, laplacian, and both at once.
#pragma once

#include "core/plane.h"

namespace edgefer {

// sobel: gx and gy of the 3x3 Sobel operator, [1 2 1] across [-1 0 1]; values in [-1020, 1020].
// Any size from 1x1; gx and gy have the image's size.
using SobelFn = void(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy);
SobelFn sobel_u8_s16_scalar, sobel_u8_s16_sse41, sobel_u8_s16_avx2, sobel_u8_s16_avx512bw, sobel_u8_s16_neon;

// laplacian: aperture 1 is [0 1 0; 1 -4 1; 0 1 0], values in [-1020, 1020]; aperture 3 is [2 0 2; 0 -8 0; 2 0 2],
// values in [-2040, 2040]. Any size from 1x1.
using LaplacianFn = void(ImageU8 image, int aperture, Border border, OutputS16 out);
LaplacianFn laplacian_u8_s16_scalar, laplacian_u8_s16_sse41, laplacian_u8_s16_avx2, laplacian_u8_s16_neon;

// gradients: sobel and laplacian in one pass over the image.
using GradientsFn = void(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy, OutputS16 laplacian);
GradientsFn gradients_u8_s16_scalar, gradients_u8_s16_sse41, gradients_u8_s16_avx2, gradients_u8_s16_avx512bw,
    gradients_u8_s16_neon;

// ------------------------------------------------------------------------------------------ shared by the variants

struct ThreeRows {
  const std::uint8_t* above;
  const std::uint8_t* here;
  const std::uint8_t* below;
};

// Row y between its neighbours; what stands above and below the image is one of its rows.
inline ThreeRows three_rows(ImageU8 image, std::ptrdiff_t y, Border border) {
  const std::ptrdiff_t y_above = y > 0 ? y - 1 : before_first(image.height, border);
  const std::ptrdiff_t y_below = y + 1 < image.height ? y + 1 : after_last(image.height, border);
  return {image.data + y_above * image.row_stride, image.data + y * image.row_stride,
          image.data + y_below * image.row_stride};
}

}  // namespace edgefer
