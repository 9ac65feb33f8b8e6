// The family of corners: the Shi-Tomasi score of every pixel, and the best corners by it.
//
// The ladder of shi_tomasi. All rungs keep window sums of three products of the gradients, which are the structure
// tensor in another basis and need one multiply-add each:
//   trace = gx^2 + gy^2,  difference = gx^2 - gy^2,  twice = 2 gx gy,
//   lambda_min = (trace - sqrt(difference^2 + twice^2)) / 2.
// Sums slide downwards: the row that comes under the window is added, the one that leaves is subtracted. Even and odd
// columns lie in registers of their own, so that neighbours are added lane by lane. In AVX2, for columns 0 to 15:
//
//   gradients, s16   even  | gx0 gy0 | gx2 gy2 | gx4 gy4 | ... | gx14 gy14 |    a pair is one lane of a multiply-add
//                    odd   | gx1 gy1 | gx3 gy3 | gx5 gy5 | ... | gx15 gy15 |
//   sums, s32        even  |   s0    |   s2    |   s4    | ... |   s14     |    of three rows, for each product
//                    odd   |   s1    |   s3    |   s5    | ... |   s15     |
//   common = even + odd    |  s0+s1  |  s2+s3  |  s4+s5  | ... | s14+s15   |    two columns that two windows share
//   windows, even: common + odd one lane before,  windows, odd: common + even one lane after
//
// so that two windows of 3x3 take three additions instead of four, and larger ones block_size + 2 or less.
//
//   scalar   shi_tomasi_scalar.cpp: row functions in plain loops, driven by the walk of shi_tomasi_walk.cpp.
//   rows     shi_tomasi_<isa>.cpp: the same row functions in vectors. The walk goes down tiles of 640 columns; pixels,
//            gradients and sums of a row go through memory. All block sizes, any image.
//   strips   shi_tomasi_strips_<isa>.cpp, x86: windows of 3x3, 32 columns at a time, so that the sums never leave the
//            registers. The image has to be as wide as a strip.
//
// Microseconds on an AMD EPYC with AVX2, and instructions a pixel by callgrind:
//                                                 640x480          112x112         82x82
//   scalar                                     2216    83.3      98.9    88.3      57.0
//   rows, the sums and then the scores          450    15.2      18.7    20.8      11.9
//   rows, both in one loop (score_and_slide)    248     7.2      11.7    11.5       7.2
//   strips                                      227     7.7       9.0     8.1       5.0
//   good_corners: scalar                       4940   105.7       161   114.5      75.8
//   good_corners with a mask, by rows           480    14.4      24.4    23.3      18.1
//   good_corners by strips                      431    12.9      16.5    16.1      10.6
// At block size 3 rows serve masked corners and images narrower than a strip alone. score_and_slide stays for them: it
// halves the score, which would add 200 us to masked corners of 640x480 and 7 us to those of 112x112.
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
