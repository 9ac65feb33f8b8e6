// Steps of flow that have variants, and the walk over levels and points that they share.
#pragma once

#include "kernels.h"

namespace edgefer {

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

}  // namespace edgefer
