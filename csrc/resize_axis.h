// The tables of a resize along one axis.
#pragma once

#include <vector>

#include "kernels.h"

namespace edgefer {

// automatic is area where the image shrinks and bilinear where it does not, for each axis by itself.
enum class ResizeMethod { automatic, area, bilinear };

// Owns what an Axis points to; about 36 bytes for a destination pixel and 2 for a source pixel, whatever the box.
struct AxisTable {
  std::vector<std::int32_t> start, count, first;
  std::vector<std::int16_t> weights;
  std::ptrdiff_t begin = 0, end = 0;
  std::int32_t most = 0;

  Axis view() const {
    return {static_cast<std::ptrdiff_t>(start.size()),
            begin,
            end,
            most,
            start.data(),
            count.data(),
            first.data(),
            weights.data()};
  }
};

// The axis that maps [low, high) of a side of `source` pixels onto `size` pixels. With s = (high - low) / size,
// destination pixel i covers [low + i s, low + (i + 1) s): area weighs every pixel by its share of that interval,
// bilinear interpolates at low + (i + 0.5) s - 0.5. Beyond the side its first and last pixel go on.
// low < high, both finite and at most 1e6 in size; source and size at least 1. Allocates, so it may throw bad_alloc.
AxisTable resize_axis(double low, double high, std::ptrdiff_t source, std::ptrdiff_t size, ResizeMethod method);

}  // namespace edgefer
