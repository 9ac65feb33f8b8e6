// The family of boosted cascades: contract, a cascade with its memory, and the steps that have variants.
#pragma once

#include <vector>

#include "core/plane.h"

namespace edgefer {

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
using CascadeFn = std::ptrdiff_t(ImageU8 image, const Cascade& cascade, int step, void* scratch);
CascadeFn cascade_u8_scalar, cascade_u8_avx2, cascade_u8_neon;

// A cascade with its memory, made from plain arrays; for the bindings and the C functions.
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

// ------------------------------------------------------------------------------------------ shared by the variants

// Windows judged together: neighbours in a row of windows, and in memory.
constexpr int cascade_block = 8;

// The integral images at a block's first window.
struct CascadeWindows {
  const std::int32_t* sums;
  const std::int32_t* squares;
};

struct CascadeSteps {
  // Of the block's windows: the reciprocal of each one's contrast, and a bit for each that has enough of it.
  unsigned (*contrast)(CascadeWindows windows, const CascadeInner& inner, float* reciprocal);

  // A bit for each of the block's windows that passes the stage; those without a bit in `alive` do not matter.
  unsigned (*stage)(CascadeWindows windows, const CascadeTree* trees, std::ptrdiff_t count, float threshold,
                    const float* reciprocal, unsigned alive);
};

std::ptrdiff_t cascade_by_rows(ImageU8 image, const Cascade& cascade, int step, void* scratch,
                               const CascadeSteps& steps);

}  // namespace edgefer
