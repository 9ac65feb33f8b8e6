#include "flow/flow.h"

namespace edgefer {
namespace {

void sample(const std::uint8_t* pixels, std::ptrdiff_t stride, FlowWeights weights, int rows, std::int16_t* samples) {
  for (int y = 0; y < rows; ++y, pixels += stride)
    for (int x = 0; x < flow_row; ++x) {
      const int sum = weights.here * pixels[x] + weights.right * pixels[x + 1] + weights.below * pixels[stride + x] +
                      weights.diagonal * pixels[stride + x + 1];
      samples[y * flow_row + x] = static_cast<std::int16_t>((sum + (1 << 8)) >> 9);
    }
}

FlowSums gradients(const std::int16_t* samples, int window, std::int16_t* gx, std::int16_t* gy) {
  FlowSums sums{};
  for (int y = 0; y < window; ++y) {
    const std::int16_t* above = samples + y * flow_row;
    const std::int16_t* here = above + flow_row;
    const std::int16_t* below = here + flow_row;
    for (int x = 0; x < flow_row; ++x) {
      const int across = x < window ? (here[x + 2] - here[x] + 4) >> 3 : 0;
      const int down = x < window ? (below[x + 1] - above[x + 1] + 4) >> 3 : 0;
      gx[y * flow_row + x] = static_cast<std::int16_t>(across);
      gy[y * flow_row + x] = static_cast<std::int16_t>(down);
      sums.xx += across * across;
      sums.xy += across * down;
      sums.yy += down * down;
    }
  }
  return sums;
}

FlowSlope mismatch(const std::uint8_t* pixels, std::ptrdiff_t stride, FlowWeights weights, int window,
                   const std::int16_t* target, const std::int16_t* gx, const std::int16_t* gy) {
  std::int16_t samples[flow_max_window * flow_row];
  sample(pixels, stride, weights, window, samples);
  FlowSlope slope{};
  for (int y = 0; y < window; ++y)
    for (int x = 0; x < window; ++x) {
      const int i = y * flow_row + x, difference = samples[i] - target[i];
      slope.x += difference * gx[i];
      slope.y += difference * gy[i];
    }
  return slope;
}

}  // namespace

void flow_u8_f32_scalar(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch) {
  flow_by_points(before, after, points, window, levels, scratch, {sample, gradients, mismatch});
}

}  // namespace edgefer
