// The kernels: declarations and contracts. No Python here.
//
// Common to all of them: the caller (bindings*.cpp) has checked every argument; kernels neither throw, print nor
// allocate. Inputs and outputs do not overlap unless a contract says so. Every variant of an operation gives the
// same result: integers bit for bit, floats in the same order of operations.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgefer {

// A view of one image plane. Elements of a row are adjacent; `row_stride` counts elements from one row to the
// next and may be negative (a flipped view) or, for inputs, zero.
template <class T>
struct Plane {
  T* data;
  std::ptrdiff_t height;
  std::ptrdiff_t width;
  std::ptrdiff_t row_stride;
};

using ImageU8 = Plane<const std::uint8_t>;
using OutputS16 = Plane<std::int16_t>;
using OutputF32 = Plane<float>;
using OutputU8 = Plane<std::uint8_t>;

// What stands beyond the edge: replicate aaa|abcd|ddd, reflect101 dcb|abcd|cba. A side of one pixel replicates.
enum class Border { replicate, reflect101 };

// Index of the pixel that stands in for index -1, for index `size`, and for any index.
inline std::ptrdiff_t before_first(std::ptrdiff_t size, Border border) {
  return border == Border::reflect101 && size > 1 ? 1 : 0;
}
inline std::ptrdiff_t after_last(std::ptrdiff_t size, Border border) {
  return border == Border::reflect101 && size > 1 ? size - 2 : size - 1;
}

std::ptrdiff_t border_index(std::ptrdiff_t index, std::ptrdiff_t size, Border border);

// sobel: gx and gy of the 3x3 Sobel operator, [1 2 1] across [-1 0 1]; values in [-1020, 1020].
// Any size from 1x1; gx and gy have the image's size.
using SobelFn = void (*)(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy);
void sobel_u8_s16_scalar(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy);
void sobel_u8_s16_sse41(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy);
void sobel_u8_s16_avx2(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy);
void sobel_u8_s16_avx512bw(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy);
void sobel_u8_s16_neon(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy);

// laplacian: aperture 1 is [0 1 0; 1 -4 1; 0 1 0], values in [-1020, 1020]; aperture 3 is [2 0 2; 0 -8 0; 2 0 2],
// values in [-2040, 2040]. Any size from 1x1.
using LaplacianFn = void (*)(ImageU8 image, int aperture, Border border, OutputS16 out);
void laplacian_u8_s16_scalar(ImageU8 image, int aperture, Border border, OutputS16 out);
void laplacian_u8_s16_sse41(ImageU8 image, int aperture, Border border, OutputS16 out);
void laplacian_u8_s16_avx2(ImageU8 image, int aperture, Border border, OutputS16 out);
void laplacian_u8_s16_neon(ImageU8 image, int aperture, Border border, OutputS16 out);

// gradients: sobel and laplacian in one pass over the image.
using GradientsFn = void (*)(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                             OutputS16 laplacian);
void gradients_u8_s16_scalar(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                             OutputS16 laplacian);
void gradients_u8_s16_sse41(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                            OutputS16 laplacian);
void gradients_u8_s16_avx2(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy, OutputS16 laplacian);
void gradients_u8_s16_avx512bw(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                               OutputS16 laplacian);
void gradients_u8_s16_neon(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy, OutputS16 laplacian);

// shi_tomasi: smaller eigenvalue of the structure tensor summed over a square window of odd side block_size, 3 to 15.
// Gradients are Sobel 3x3 divided by 4 * 255 * block_size, so the score is that of cv2.cornerMinEigenVal. The border
// rule holds for the image under the Sobel and again for the gradient products under the window, as in OpenCV.
// `scratch` is the caller's, 64-byte aligned, of shi_tomasi_scratch_bytes; its contents do not matter.
std::size_t shi_tomasi_scratch_bytes(std::ptrdiff_t width, int block_size);
using ShiTomasiFn = void (*)(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch);
void shi_tomasi_u8_f32_scalar(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch);
void shi_tomasi_u8_f32_avx2(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch);
void shi_tomasi_u8_f32_avx512vnni(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch);
void shi_tomasi_u8_f32_neon(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch);

// good_corners: local maxima of the shi_tomasi score (reflect101), best first, at least min_distance apart.
// Fewer than 2^31 pixels; max_corners 0 means no limit; quality_level > 0 and min_distance >= 0, both finite;
// mask.data may be null, else it has the image's size. `scratch` as above, of good_corners_scratch_bytes; on return
// it begins with the corners, and their number is returned.
struct Corner {
  std::int32_t x;
  std::int32_t y;
};
struct CornerLimits {
  std::ptrdiff_t max_corners;
  double quality_level;
  double min_distance;
  int block_size;
};
std::size_t good_corners_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, int block_size);
using GoodCornersFn = std::ptrdiff_t (*)(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch);
std::ptrdiff_t good_corners_u8_scalar(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch);
std::ptrdiff_t good_corners_u8_avx2(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch);
std::ptrdiff_t good_corners_u8_avx512vnni(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch);
std::ptrdiff_t good_corners_u8_neon(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch);

// flow: where points of one image are in another, by pyramidal Lucas-Kanade, and whether they find their way back.
// Level k + 1 of a pyramid has half the size, rounded down, of level k: (a + b + c + d + 2) >> 2 of 2x2 pixels; a level
// is left out when a side of it falls below the window. Beyond its edges a level goes on with its edge pixels.
// A window of window^2 samples around a point is matched by Gauss-Newton steps of at most flow_iterations, from the
// coarsest level to the finest; samples are bilinear in fixed point (flow.h), so that the sums are exact and every
// variant gives the same bits. The rest is float64 in one order.
// `there` is the place in `after`; `error` the distance between the point and where the way back from `there` ends,
// or infinity where the window has too little texture or leaves the image.
// Both images have the same size, at least 3x3, at most flow_max_side; window is odd, 3 to flow_max_window; levels 1 to
// flow_max_levels; points lie inside, 0 <= x <= width - 1, likewise y.
// `scratch` is the caller's, of flow_scratch_bytes; its contents do not matter.
constexpr int flow_max_window = 13;
constexpr int flow_max_levels = 5;
constexpr int flow_iterations = 20;
constexpr std::ptrdiff_t flow_max_side = 1 << 15;
struct FlowPoints {
  std::ptrdiff_t count;
  const float* points;  // [count, 2], x and y
  float* there;         // [count, 2]
  float* error;         // [count]
};
std::size_t flow_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, int window, int levels);
using FlowFn = void (*)(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch);
void flow_u8_f32_scalar(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch);
void flow_u8_f32_avx2(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch);
void flow_u8_f32_neon(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch);

// cascade: the windows of an image that a boosted cascade of Haar-like features accepts, row by row.
// A window is width x height pixels, and windows are `step` (1 or 2) pixels apart. Over its pixels but the outermost,
// spread = area * (sum of squares) - (sum)^2, area being their number; a window is judged if area / sqrt(spread) < 0.1.
// A feature is the sum of weight * (sum of pixels) over its rectangles, divided by sqrt(spread). Of each tree of a
// stage one leaf counts, and a window whose leaves add up to less than the stage's threshold is refused. The window to
// the right of one that the first stage refuses is skipped. All this, with its order of float32 and float64 operations,
// is what cv2.CascadeClassifier does with one image of its pyramid.
// `scratch` is the caller's, 64-byte aligned, of cascade_scratch_bytes; on return it begins with the windows' left
// upper pixels, and their number is returned. The image is at least as large as a window, at most cascade_max_width
// wide, and has fewer than 2^31 pixels.
constexpr int cascade_max_side = 32;  // so that sums of squares fit into s32
constexpr std::ptrdiff_t cascade_max_width = 1264;
// Elements from one row of the integral images to the next: neighbouring rows of images up to 270 pixels wide then
// share a first-level cache evenly.
constexpr std::ptrdiff_t cascade_pitch = 1296;
// Where column x and row y of a window are in the integral images, from its left upper pixel. With a step of 2 even
// columns stand before odd ones, so that neighbouring windows are neighbours in memory.
std::int32_t cascade_offset(int x, int y, int step);
struct CascadeNode {
  std::int32_t corners[3][4];  // of each rectangle, as offsets: left upper, right upper, left lower, right lower
  float weights[3];            // the third may be 0
  float threshold;
};
struct CascadeTree {
  CascadeNode nodes[2];
  float leaves[4];  // nodes[0] below its threshold and nodes[1] too, or not; nodes[0] not below it, likewise
  bool deeper;      // nodes[1] makes a difference
};
struct CascadeStage {
  std::ptrdiff_t trees;
  float threshold;
};
struct CascadeInner {
  std::int32_t corners[4];
  double area;
};
struct Cascade {
  int width, height;           // 3 to cascade_max_side
  std::ptrdiff_t stage_count;  // at least 1
  const CascadeStage* stages;
  const CascadeTree* trees[2];  // of all stages, one after the other, with offsets for step 1 and for step 2
  CascadeInner inner[2];        // the window's pixels but the outermost
};
std::size_t cascade_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, const Cascade& cascade, int step);
using CascadeFn = std::ptrdiff_t (*)(ImageU8 image, const Cascade& cascade, int step, void* scratch);
std::ptrdiff_t cascade_u8_scalar(ImageU8 image, const Cascade& cascade, int step, void* scratch);
std::ptrdiff_t cascade_u8_avx2(ImageU8 image, const Cascade& cascade, int step, void* scratch);
std::ptrdiff_t cascade_u8_neon(ImageU8 image, const Cascade& cascade, int step, void* scratch);

// luma: the brightness plane of a camera frame, out of size (H, W).
//   yuyv: image rows hold W pairs (Y, U or V), so image.width is 2 * W.
//   nv12: image holds the H rows of Y and below them the H / 2 rows of interleaved U and V.
//   bgr:  image rows hold W triples; Y = (3735 B + 19235 G + 9798 R + 2^14) >> 15, which is BT.601's
//         0.114 B + 0.587 G + 0.299 R in 15 bits.
enum class LumaFormat { yuyv, nv12, bgr };
using LumaFn = void (*)(ImageU8 image, LumaFormat format, OutputU8 out);
void luma_u8_scalar(ImageU8 image, LumaFormat format, OutputU8 out);
void luma_u8_sse41(ImageU8 image, LumaFormat format, OutputU8 out);
void luma_u8_avx2(ImageU8 image, LumaFormat format, OutputU8 out);
void luma_u8_neon(ImageU8 image, LumaFormat format, OutputU8 out);

// One axis of a resize: which source pixels a destination pixel is made of, and how much of each.
// Destination pixel i is sum of weights[first[i] + k] * source[start[i] + k] over k < count[i], weights adding up
// to 2^14. Zeros follow them up to the next multiple of eight, so that SIMD may always read eight. Neither start nor
// start + count ever falls from one pixel to the next.
struct Axis {
  std::ptrdiff_t size;        // destination pixels
  std::ptrdiff_t begin, end;  // the source pixels that occur at all
  std::int32_t most;          // the largest count
  std::int32_t factor;        // 2 or 4 where every destination pixel is the plain mean of so many neighbours, else 0
  const std::int32_t* start;  // [size], from begin
  const std::int32_t* count;  // [size], at least 1
  const std::int32_t* first;  // [size], a multiple of 8
  const std::int16_t* weights;
};

// crop_resize: columns are resized after rows, both in fixed point, so that every variant gives the same bits:
//   v[c]   = (sum over rows of weight * image[row, c] + 2^6) >> 7     at most 255 * 2^7, fits s16
//   out[i] = (sum over columns of weight * v[c] + 2^20) >> 21
// Axes lie inside the image; out has their sizes. `scratch` is the caller's, 64-byte aligned, of
// crop_resize_scratch_bytes; its contents do not matter.
std::size_t crop_resize_scratch_bytes(const Axis& columns);
using CropResizeFn = void (*)(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch);
void crop_resize_u8_scalar(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch);
void crop_resize_u8_avx2(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch);
void crop_resize_u8_neon(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch);

// stack: crop_resize, then of the resized image its grey values, gx and gy (as sobel) and Laplacian (aperture 1),
// all with border reflect101, each quantised: clamp(rint(value * multiplier + offset), -128, 127) in float32, ties to
// even, product and sum rounded separately. out is (rows.size, columns.size, channels) without gaps.
enum class Channel : std::uint8_t { grey, gx, gy, laplacian };
constexpr int max_channels = 4;
struct StackPlan {
  int channels;  // 1 to max_channels, each kind at most once
  Channel kinds[max_channels];
  float multipliers[max_channels];
  float offsets[max_channels];
};
// `scratch` as above, of stack_scratch_bytes.
std::size_t stack_scratch_bytes(const Axis& columns);
using StackFn = void (*)(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                         void* scratch);
void stack_u8_s8_scalar(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                        void* scratch);
void stack_u8_s8_avx2(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                      void* scratch);
void stack_u8_s8_neon(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                      void* scratch);

// fully_connected: y[n, o] = bias[o] + sum over i of x[n, i] * weights[o, i], added in the order of i.
// x is (batch, inputs) and y is (batch, outputs), both without gaps.
// `packed` holds the weights in panels of eight outputs: packed[(o / 8 * inputs + i) * 8 + o % 8], and `bias` is
// as long as the panels; both are padded with zeros.
constexpr std::ptrdiff_t panel = 8;
using FullyConnectedFn = void (*)(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                                  const float* bias, std::ptrdiff_t outputs, float* y);
void fully_connected_f32_scalar(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                                const float* bias, std::ptrdiff_t outputs, float* y);
void fully_connected_f32_avx2(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y);
void fully_connected_f32_neon(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y);

// The layer's non-linearity over y (batch, outputs), in place. The exponent is never positive, so nothing overflows.
enum class Activation { none, sigmoid, relu, softmax };
void activate(Activation activation, float* y, std::ptrdiff_t batch, std::ptrdiff_t outputs);

// fully_connected_int8: TFLite's fully-connected layer.
//   sum  = bias[o] + sum over i of (x[n, i] - input_zero_point) * weights[o, i]      32 bits, wrapping
//   y    = clamp(((sum * multiplier[o] + half) >> (31 - shift[o])) + output_zero_point, activation_min, activation_max)
// with half = 2^(30 - shift[o]): one rounding, ties upwards, in 64 bits. A scaled sum beyond 32 bits saturates;
// TFLite leaves that case undefined.
// x (batch, inputs), weights (outputs, inputs) and y (batch, outputs) are without gaps.
struct Requantisation {
  std::int32_t input_zero_point, output_zero_point;  // -128 to 127
  const std::int32_t* multipliers;                   // [outputs], 0 or 2^30 to 2^31 - 1
  const std::int32_t* shifts;                        // [outputs], -31 to 30; positive is to the left
  std::int32_t activation_min, activation_max;       // -128 <= min <= max <= 127
};
using FullyConnectedS8Fn = void (*)(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                                    const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                                    const Requantisation& requantisation, std::int8_t* y);
void fully_connected_s8_scalar(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                               const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                               const Requantisation& requantisation, std::int8_t* y);
void fully_connected_s8_avx2(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                             const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                             const Requantisation& requantisation, std::int8_t* y);
void fully_connected_s8_avx512vnni(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                                   const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                                   const Requantisation& requantisation, std::int8_t* y);
void fully_connected_s8_neon(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                             const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                             const Requantisation& requantisation, std::int8_t* y);
void fully_connected_s8_neon_dotprod(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                                     const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                                     const Requantisation& requantisation, std::int8_t* y);

// The factor real > 0 as multiplier * 2^(shift - 31), the nearest with a multiplier of 31 bits; 0 below 2^-32.
void quantise_multiplier(double real, std::int32_t& multiplier, std::int32_t& shift);

// The last step for one output, shared by the variants.
std::int8_t requantised(std::int32_t sum, std::ptrdiff_t output, const Requantisation& requantisation);

}  // namespace edgefer
