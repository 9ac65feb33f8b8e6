// Steps of cascade that have variants, and the walk over windows that they share.
#pragma once

#include "kernels.h"

namespace edgefer {

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
