// The family of optical flow: contract, and the steps that have variants.
#pragma once

#include "core/plane.h"

namespace edgefer {

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
using FlowFn = void(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch);
FlowFn flow_u8_f32_scalar, flow_u8_f32_avx2, flow_u8_f32_neon;

// ------------------------------------------------------------------------------------------ shared by the variants

// Rows of a window have 16 columns in memory, so that SIMD takes each in one go.
constexpr int flow_row = 16;

// Bilinear weights of the four pixels around a sample, adding up to 2^14.
struct FlowWeights {
  std::int16_t here, right, below, diagonal;
};

struct FlowSums {
  std::int32_t xx, xy, yy;
};
struct FlowSlope {
  std::int32_t x, y;
};

struct FlowSteps {
  // `rows` rows of 16 samples, scaled by 32: (sum of weight * pixel + 2^8) >> 9. Reads 17 pixels of rows + 1 rows.
  void (*sample)(const std::uint8_t* pixels, std::ptrdiff_t stride, FlowWeights weights, int rows,
                 std::int16_t* samples);

  // Central differences of (window + 2)^2 samples, (next - previous + 4) >> 3, for the window inside, its columns
  // beyond `window` zero; and the sums of their products, exact in s32.
  FlowSums (*gradients)(const std::int16_t* samples, int window, std::int16_t* gx, std::int16_t* gy);

  // Sums over the window of (sample - target) times each gradient, exact in s32: `target` are the samples inside,
  // and those of `pixels` are made as by `sample`.
  FlowSlope (*mismatch)(const std::uint8_t* pixels, std::ptrdiff_t stride, FlowWeights weights, int window,
                        const std::int16_t* target, const std::int16_t* gx, const std::int16_t* gy);
};

void flow_by_points(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch,
                    const FlowSteps& steps);

// -------------------------------------------------------------------------------------------- what the points agree on

// median_flow: the shift and the change of size that most points of a flow agree on. Points whose `error` is not below
// `most_error` do not count. The size changes by the median of how the distances between two points have changed, over
// the pairs farther apart than `far`; 1 where there is none. About `centre`, the points then moved by the medians of x
// and y; those that end nearer than `apart` to where this takes them move together.
// All of it is float64 in one order, so there are no variants. count is at most median_flow_most.
// `scratch` is the caller's, of median_flow_scratch_bytes, aligned for a double; its contents do not matter.
constexpr std::ptrdiff_t median_flow_most = 1024;
struct MedianFlow {
  double dx, dy, scale;
  std::ptrdiff_t returned, together;  // points that count, and those of them that move together
};
struct AgreedWithin {
  double centre_x, centre_y, far, most_error, apart;
};
std::size_t median_flow_scratch_bytes(std::ptrdiff_t count);
MedianFlow median_flow(FlowPoints points, AgreedWithin within, void* scratch);

}  // namespace edgefer
