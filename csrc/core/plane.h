// What all kernels know: views of images, what stands beyond their edges, pixels by place.
//
// Common to all kernels: the caller (python/, c/) has checked every argument; kernels neither throw, print nor
// allocate. Inputs and outputs do not overlap unless a contract says so. Every variant of an operation gives the
// same result: integers bit for bit, floats in the same order of operations.
//
// A family's header declares the type of each kernel's function once, with its contract, and then its variants by that
// type: `SobelFn sobel_u8_s16_scalar, sobel_u8_s16_avx2;`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgefer {

// A view of one image plane. Elements of a row are adjacent; `row_stride` counts elements from one row to the
// next and may be negative (a flipped view) or, for inputs, zero.
template <class T> struct Plane {
  T* data;
  std::ptrdiff_t height;
  std::ptrdiff_t width;
  std::ptrdiff_t row_stride;
};

using ImageU8 = Plane<const std::uint8_t>;
using OutputS16 = Plane<std::int16_t>;
using OutputF32 = Plane<float>;
using OutputU8 = Plane<std::uint8_t>;

// What stands beyond the edge: replicate aaa|abcd|ddd, reflect101 dcb|abcd|cba. A side of one pixel replicates.
enum class Border { replicate, reflect101 };

// Index of the pixel that stands in for index -1, for index `size`, and for any index.
inline std::ptrdiff_t before_first(std::ptrdiff_t size, Border border) {
  return border == Border::reflect101 && size > 1 ? 1 : 0;
}
inline std::ptrdiff_t after_last(std::ptrdiff_t size, Border border) {
  return border == Border::reflect101 && size > 1 ? size - 2 : size - 1;
}

inline std::ptrdiff_t border_index(std::ptrdiff_t index, std::ptrdiff_t size, Border border) {
  if (size == 1 || border == Border::replicate) return index < 0 ? 0 : index >= size ? size - 1 : index;
  while (index < 0 || index >= size) index = index < 0 ? -index : 2 * (size - 1) - index;  // a window may bounce twice
  return index;
}

// A pixel by its column and row.
struct Corner {
  std::int32_t x;
  std::int32_t y;
};

}  // namespace edgefer
