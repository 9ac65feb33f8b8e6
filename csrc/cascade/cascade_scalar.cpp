#include <cmath>

#include "cascade/cascade.h"

namespace edgefer {
namespace {

// The integral image may have wrapped; the sum inside has not.
std::int32_t sum_inside(const std::int32_t* window, const std::int32_t (&corners)[4]) {
  const auto at = [&](int corner) { return static_cast<std::uint32_t>(window[corners[corner]]); };
  return static_cast<std::int32_t>(at(3) - at(2) - (at(1) - at(0)));
}

bool at_least(const CascadeNode& node, const std::int32_t* window, float reciprocal) {
  const auto weighted = [&](int i) {
    return node.weights[i] * static_cast<float>(sum_inside(window, node.corners[i]));
  };
  float value = weighted(0) + weighted(1);
  if (node.weights[2] != 0) value += weighted(2);
  return !(value * reciprocal < node.threshold);
}

bool passes(const CascadeTree* trees, std::ptrdiff_t count, float threshold, const std::int32_t* window,
            float reciprocal) {
  double total = 0;
  for (const CascadeTree* tree = trees; tree < trees + count; ++tree) {
    const int side = 2 * at_least(tree->nodes[0], window, reciprocal);
    const bool deeper = tree->leaves[side] != tree->leaves[side + 1];
    total += static_cast<double>(tree->leaves[side + (deeper && at_least(tree->nodes[1], window, reciprocal))]);
  }
  return !(total < static_cast<double>(threshold));
}

unsigned contrast(CascadeWindows windows, const CascadeInner& inner, float* reciprocal) {
  unsigned enough = 0;
  for (int i = 0; i < cascade_block; ++i) {
    const double sum = sum_inside(windows.sums + i, inner.corners);
    const double square = sum_inside(windows.squares + i, inner.corners);
    const double spread = inner.area * square - sum * sum;
    reciprocal[i] = spread > 0 ? static_cast<float>(1.0 / std::sqrt(spread)) : 1.0f;
    enough |= static_cast<unsigned>(spread > 0 && inner.area * static_cast<double>(reciprocal[i]) < 0.1) << i;
  }
  return enough;
}

unsigned stage(CascadeWindows windows, const CascadeTree* trees, std::ptrdiff_t count, float threshold,
               const float* reciprocal, unsigned alive) {
  unsigned passed = 0;
  for (int i = 0; i < cascade_block; ++i)
    if (alive >> i & 1)
      passed |= static_cast<unsigned>(passes(trees, count, threshold, windows.sums + i, reciprocal[i])) << i;
  return passed;
}

}  // namespace

std::ptrdiff_t cascade_u8_scalar(ImageU8 image, const Cascade& cascade, int step, void* scratch) {
  return cascade_by_rows(image, cascade, step, scratch, {contrast, stage});
}

}  // namespace edgefer
