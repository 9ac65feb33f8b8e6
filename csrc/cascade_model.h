// A cascade with its memory, made from plain arrays; for the bindings and the C functions.
#pragma once

#include <vector>

#include "kernels.h"

namespace edgefer {

struct CascadeArrays {
  int width, height;
  std::ptrdiff_t trees;           // of all stages
  const std::int8_t* rectangles;  // (trees, 2, 3, 4): left, top, right, bottom of a node's rectangles
  const float* weights;           // (trees, 2, 3)
  const float* thresholds;        // (trees, 2)
  const float* leaves;            // (trees, 4), as in CascadeTree
  std::ptrdiff_t stages;
  const std::int32_t* stage_trees;  // (stages)
  const float* stage_thresholds;    // (stages)
};

class CascadeModel {
 public:
  // Throws std::invalid_argument, one line, for a value out of range.
  explicit CascadeModel(const CascadeArrays& arrays);
  CascadeModel(const CascadeModel&) = delete;
  CascadeModel& operator=(const CascadeModel&) = delete;

  const Cascade& cascade() const { return cascade_; }

 private:
  std::vector<CascadeStage> stages_;
  std::vector<CascadeTree> trees_[2];
  Cascade cascade_;
};

}  // namespace edgefer
