#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "cascade/cascade.h"

namespace edgefer {
namespace {

void require(bool condition, const std::string& name, const std::string& rule) {
  if (!condition) throw std::invalid_argument("cascade: " + name + " must " + rule);
}

bool finite(const float* values, std::ptrdiff_t count) {
  return std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
}

void place(const std::int8_t (&rectangle)[4], int step, std::int32_t (&corners)[4]) {
  for (int i = 0; i < 4; ++i) corners[i] = cascade_offset(rectangle[i % 2 * 2], rectangle[i / 2 * 2 + 1], step);
}

}  // namespace

CascadeModel::CascadeModel(const CascadeArrays& arrays) {
  const auto side = [](int pixels) { return pixels >= 3 && pixels <= cascade_max_side; };
  require(side(arrays.width) && side(arrays.height), "window",
          "be 3 to " + std::to_string(cascade_max_side) + " pixels a side, got " + std::to_string(arrays.width) +
              " x " + std::to_string(arrays.height));
  require(arrays.stages > 0, "stages", "not be empty");
  require(finite(arrays.weights, 6 * arrays.trees), "weights", "be finite");
  require(finite(arrays.thresholds, 2 * arrays.trees), "thresholds", "be finite");
  require(finite(arrays.leaves, 4 * arrays.trees), "leaves", "be finite");
  require(finite(arrays.stage_thresholds, arrays.stages), "stage thresholds", "be finite");
  std::ptrdiff_t counted = 0;
  for (std::ptrdiff_t s = 0; s < arrays.stages; ++s) {
    require(arrays.stage_trees[s] > 0, "stages", "have at least one tree each");
    stages_.push_back({arrays.stage_trees[s], arrays.stage_thresholds[s]});
    counted += arrays.stage_trees[s];
  }
  require(counted == arrays.trees, "stages",
          "have " + std::to_string(arrays.trees) + " trees together, got " + std::to_string(counted));

  cascade_ = {arrays.width, arrays.height, arrays.stages, stages_.data(), {}, {}};
  for (const int step : {1, 2}) {
    auto& trees = trees_[step - 1];
    trees.resize(static_cast<std::size_t>(arrays.trees));
    for (std::ptrdiff_t t = 0; t < arrays.trees; ++t) {
      CascadeTree& tree = trees[static_cast<std::size_t>(t)];
      for (std::ptrdiff_t n = 0; n < 2; ++n) {
        CascadeNode& node = tree.nodes[n];
        const std::ptrdiff_t at = 2 * t + n;
        for (std::ptrdiff_t r = 0; r < 3; ++r) {
          std::int8_t rectangle[4];
          std::copy_n(arrays.rectangles + (3 * at + r) * 4, 4, rectangle);
          const auto [left, top, right, bottom] = rectangle;
          require(0 <= left && left <= right && right <= arrays.width && 0 <= top && top <= bottom &&
                      bottom <= arrays.height,
                  "rectangles",
                  "lie in the window, got " + std::to_string(left) + ", " + std::to_string(top) + ", " +
                      std::to_string(right) + ", " + std::to_string(bottom));
          place(rectangle, step, node.corners[r]);
        }
        std::copy_n(arrays.weights + 3 * at, 3, node.weights);
        node.threshold = arrays.thresholds[at];
      }
      std::copy_n(arrays.leaves + 4 * t, 4, tree.leaves);
      tree.deeper = tree.leaves[0] != tree.leaves[1] || tree.leaves[2] != tree.leaves[3];
    }
    cascade_.trees[step - 1] = trees.data();
    place({1, 1, static_cast<std::int8_t>(arrays.width - 1), static_cast<std::int8_t>(arrays.height - 1)}, step,
          cascade_.inner[step - 1].corners);
    cascade_.inner[step - 1].area = (arrays.width - 2) * (arrays.height - 2);
  }
}

}  // namespace edgefer
