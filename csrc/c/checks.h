// What the C functions share: errors, the choice of a variant, the checks of arguments, working memory.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>
#include <stdexcept>

#include "c/edgefer.h"
#include "core/dispatch.h"

namespace edgefer::c {

// -------------------------------------------------------------------------------------------------------------- errors

struct Refusal {
  edgefer_status status;
};

// Both write the line that edgefer_last_error gives.
void note(const char* op, const char* text);
[[noreturn]] __attribute__((format(printf, 1, 2))) void refuse(const char* format, ...);

// Runs the body of the function `op`; whatever it throws becomes a status and a line of text.
template <class Body> edgefer_status guarded(const char* op, Body body) {
  try {
    body();
    return EDGEFER_OK;
  } catch (const Refusal& refusal) { return refusal.status; } catch (const BadIsa& bad) {
    note(nullptr, bad.what());
    return EDGEFER_BAD_ISA;
  } catch (const std::bad_alloc&) {
    note(op, "out of scratch memory");
    return EDGEFER_NO_MEMORY;
  } catch (const std::length_error&) {  // a vector longer than any address
    note(op, "out of scratch memory");
    return EDGEFER_NO_MEMORY;
  } catch (const std::exception& unforeseen) {
    note(op, unforeseen.what());
    return EDGEFER_FAILED;
  }
}

// --------------------------------------------------------------------------------------------------- choice of variant

// The row that edgefer_use_variant names for this thread, or null.
const Row* row_of_this_thread(const char* op);

// The function of an operation; `active` keeps the process's choice. Threads that meet here store the same value.
template <class Fn> Fn* chosen(const char* op, std::atomic<Fn*>& active) {
  if (const Row* row = row_of_this_thread(op)) return std::get<Fn*>(row->function);
  Fn* function = active.load(std::memory_order_relaxed);
  if (!function) {
    function = std::get<Fn*>(active_row(op).function);
    active.store(function, std::memory_order_relaxed);
  }
  return function;
}

// ----------------------------------------------------------------------------------------------------------- arguments

constexpr std::ptrdiff_t max_side = INT32_MAX;

inline void check_size(const char* op, const char* name, std::ptrdiff_t size, std::ptrdiff_t most = max_side) {
  if (size < 1) refuse("%s: %s must be at least 1, got %td", op, name, size);
  if (size > most) refuse("%s: %s must be at most %td, got %td", op, name, most, size);
}

inline void check_one_of(const char* op, const char* name, int value, int count) {
  if (value < 0 || value >= count) refuse("%s: %s must be 0 to %d, got %d", op, name, count - 1, value);
}

template <class T> inline void check_pointer(const char* op, const char* name, const T* pointer) {
  if (!pointer) refuse("%s: %s must not be null", op, name);
  if (reinterpret_cast<std::uintptr_t>(pointer) % alignof(T))
    refuse("%s: %s must be aligned to %zu bytes", op, name, alignof(T));
}

// The bytes an argument takes in memory, from the first to one past the last.
struct Extent {
  const char* name;
  std::uintptr_t first, end;
};

template <class T> Extent extent_of(const char* op, const char* name, const Plane<T>& plane) {
  constexpr std::ptrdiff_t bytes = sizeof(T);
  std::ptrdiff_t last_row = 0, below = 0, above = 0;
  const auto start = reinterpret_cast<std::uintptr_t>(plane.data);
  Extent extent{name, start, start};
  // Sizes and strides whose product no address can hold must not wrap around into a harmless one.
  const bool overflow = __builtin_mul_overflow(plane.height - 1, plane.row_stride, &last_row) ||
                        __builtin_mul_overflow(std::min<std::ptrdiff_t>(0, last_row), bytes, &below) ||
                        __builtin_add_overflow(std::max<std::ptrdiff_t>(0, last_row), plane.width, &above) ||
                        __builtin_mul_overflow(above, bytes, &above) ||
                        __builtin_add_overflow(start, below, &extent.first) ||
                        __builtin_add_overflow(start, above, &extent.end);
  if (overflow)
    refuse("%s: %s of %td rows, %td elements apart, does not fit into memory", op, name, plane.height,
           plane.row_stride);
  return extent;
}

// A plane of checked height, and the memory it takes. With one row the stride is not read: whatever it was, the
// kernels get one that is harmless.
template <class T>
Plane<T> plane(const char* op, const char* name, T* data, std::ptrdiff_t height, std::ptrdiff_t width,
               std::ptrdiff_t row_stride) {
  check_pointer(op, name, data);
  return {data, height, width, height > 1 ? row_stride : width};
}

inline void check_apart(const char* op, const Extent& a, const Extent& b) {
  if (a.first < b.end && b.first < a.end) refuse("%s: %s overlaps %s", op, b.name, a.name);
}

struct Input {
  ImageU8 plane;
  Extent extent;
};

// An image whose rows have `depth` bytes a pixel.
inline Input input(const char* op, const char* name, const std::uint8_t* data, std::ptrdiff_t height,
                   std::ptrdiff_t width, std::ptrdiff_t row_stride, std::ptrdiff_t depth = 1) {
  check_size(op, "height", height);
  check_size(op, "width", width);
  const ImageU8 image = plane<const std::uint8_t>(op, name, data, height, depth * width, row_stride);
  return {image, extent_of(op, name, image)};
}

template <class T> struct Output {
  Plane<T> plane;
  Extent extent;
};

// An output apart from the input; sizes are checked already.
template <class T>
Output<T> output(const char* op, const char* name, T* data, std::ptrdiff_t height, std::ptrdiff_t width,
                 std::ptrdiff_t row_stride, const Extent& input) {
  const Plane<T> target = plane(op, name, data, height, width, row_stride);
  const Extent extent = extent_of(op, name, target);
  if (height > 1 && row_stride < width && row_stride > -width)
    refuse("%s: %s has rows of %td that overlap at a stride of %td", op, name, width, row_stride);
  check_apart(op, input, extent);
  return {target, extent};
}

// Arrays without gaps: rows * columns elements.
template <class T>
Extent array(const char* op, const char* name, const T* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
  check_pointer(op, name, data);
  return extent_of(op, name, Plane<const T>{data, rows, columns, columns});
}

inline Border checked_border(const char* op, edgefer_border border) {
  check_one_of(op, "border", border, 2);
  return border == EDGEFER_BORDER_REPLICATE ? Border::replicate : Border::reflect101;
}

// Working memory of a kernel, 64-byte aligned. Throws bad_alloc.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : memory_(::operator new(bytes, alignment)) {}
  ~Scratch() { ::operator delete(memory_, alignment); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  void* get() const { return memory_; }

 private:
  static constexpr std::align_val_t alignment{64};
  void* memory_;
};

}  // namespace edgefer::c
