// The tables of a resize along one axis.
#pragma once

#include <vector>

#include "kernels.h"

namespace edgefer {

// automatic is area where the image shrinks and bilinear where it does not, for each axis by itself.
enum class ResizeMethod { automatic, area, bilinear };

// Owns what an Axis points to; about 28 bytes for a destination pixel and 2 for a source pixel, whatever the box.
struct AxisTable {
  std::vector<std::int32_t> start, count, first;  // at least `size` each: they grow and never shrink
  std::vector<std::int16_t> weights;
  std::ptrdiff_t size = 0, begin = 0, end = 0;
  std::int32_t most = 0, factor = 0;

  Axis view() const {
    return {size, begin, end, most, factor, start.data(), count.data(), first.data(), weights.data()};
  }
};

// Makes `table` the axis that maps [low, high) of a side of `source` pixels onto `size` pixels. With
// s = (high - low) / size, destination pixel i covers [low + i s, low + (i + 1) s): area weighs every pixel by its
// share of that interval, bilinear interpolates at low + (i + 0.5) s - 0.5. Beyond the side its first and last pixel
// go on. low < high, both finite and at most 1e6 in size; source and size at least 1. A table used again allocates
// only to become larger, where it may throw bad_alloc.
void resize_axis(double low, double high, std::ptrdiff_t source, std::ptrdiff_t size, ResizeMethod method,
                 AxisTable& table);

// What a call of crop_resize or stack works in. It grows to the largest call and stays, one for each thread.
class ResizeMemory {
 public:
  AxisTable columns, rows;

  // 64-byte aligned, valid until the next call. May throw bad_alloc.
  void* scratch(std::size_t bytes);

 private:
  std::vector<std::uint8_t> bytes_;
};
ResizeMemory& resize_memory_of_this_thread();

}  // namespace edgefer
