// What the bindings share: the choice of a variant, the checks of arguments, working memory. No other file than
// bindings*.cpp knows Python.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dispatch.h"
#include "kernels.h"

namespace edgefer {

namespace py = pybind11;

// Each adds its operations to the module.
void bind_gradients(py::module_& m);
void bind_corners(py::module_& m);
void bind_resize(py::module_& m);
void bind_dense(py::module_& m);

// ---------------------------------------------------------------------------------------------- choice of variant

// Set by kernels.forced in Python for the calling thread: the tests and benches' way to one named variant.
inline thread_local std::optional<std::string> variant_of_this_thread;

// The function of an operation, looked up once; the environment is read at the first call of any kernel.
template <class Fn>
class Kernel {
 public:
  explicit Kernel(const char* op) : op_(op) {}

  Fn get() {
    if (variant_of_this_thread) {
      if (!named_function_ || named_ != *variant_of_this_thread) {
        named_function_ = std::get<Fn>(named_row(op_, *variant_of_this_thread).function);
        named_ = *variant_of_this_thread;
      }
      return named_function_;
    }
    if (!active_) active_ = std::get<Fn>(active_row(op_).function);
    return active_;
  }

 private:
  const char* op_;
  // Read and written under the GIL.
  Fn active_ = nullptr;
  std::string named_;
  Fn named_function_ = nullptr;
};
// ------------------------------------------------------------------------------------------------------- arguments

inline std::string described(py::handle object) {
  if (!py::isinstance<py::array>(object)) return py::str(py::type::handle_of(object).attr("__name__"));
  return std::string(py::str(object.attr("dtype"))) + " " + std::string(py::str(object.attr("shape")));
}

// "sobel: image must be uint8 with shape (H, W), got float32 (480, 640, 3)"
inline std::string mismatch(const char* op, const char* name, const std::string& expected, py::handle got) {
  return std::string(op) + ": " + name + " must be " + expected + ", got " + described(got);
}

inline std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

template <class T>
constexpr const char* dtype_name() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return "uint8";
  if constexpr (std::is_same_v<T, std::int8_t>) return "int8";
  if constexpr (std::is_same_v<T, std::int16_t>) return "int16";
  if constexpr (std::is_same_v<T, std::int32_t>) return "int32";
  if constexpr (std::is_same_v<T, float>) return "float32";
}

// An array of exactly that dtype and rank, aligned; never a copy. Raises TypeError (dtype) or ValueError (rank).
template <class T>
py::array checked(const char* op, const char* name, const char* shape, py::ssize_t rank, py::handle object) {
  const std::string expected = std::string(dtype_name<T>()) + " with shape " + shape;
  if (!py::isinstance<py::array_t<T, 0>>(object)) throw py::type_error(mismatch(op, name, expected, object));
  auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != rank) throw py::value_error(mismatch(op, name, expected, object));
  constexpr int aligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (!(array.flags() & aligned)) throw py::value_error(mismatch(op, name, "aligned in memory", object));
  return array;
}
template <class T>
py::array checked_contiguous(const char* op, const char* name, const char* shape, py::ssize_t rank, py::handle object) {
  auto array = checked<T>(op, name, shape, rank, object);
  if (!(array.flags() & py::array::c_style))
    throw py::value_error(std::string(op) + ": " + name + " must be contiguous, got strides " +
                          std::string(py::str(array.attr("strides"))));
  return array;
}

// A (H, W) array as a plane. Raises as `checked`, and ValueError for an empty one or a last axis with gaps.
template <class T>
Plane<T> plane(const char* op, const char* name, py::handle object) {
  using Element = std::remove_const_t<T>;
  const py::array array = checked<Element>(op, name, "(H, W)", 2, object);
  const py::ssize_t height = array.shape(0), width = array.shape(1);
  if (height == 0 || width == 0)
    throw py::value_error(std::string(op) + ": " + name + " must have at least one pixel, got " + described(object));
  const auto bytes = static_cast<py::ssize_t>(sizeof(Element));
  if (width > 1 && array.strides(1) != bytes)
    throw py::value_error(std::string(op) + ": " + name + " must have a contiguous last axis, got a stride of " +
                          std::to_string(array.strides(1)) + " bytes");
  return {static_cast<T*>(const_cast<void*>(array.data())), height, width,
          height > 1 ? array.strides(0) / bytes : width};
}

// First byte and one past the last byte of a plane.
template <class T>
std::pair<std::uintptr_t, std::uintptr_t> extent(const Plane<T>& p) {
  const T* first = p.data + std::min<std::ptrdiff_t>(0, (p.height - 1) * p.row_stride);
  const T* last = p.data + std::max<std::ptrdiff_t>(0, (p.height - 1) * p.row_stride) + p.width;
  return {reinterpret_cast<std::uintptr_t>(first), reinterpret_cast<std::uintptr_t>(last)};
}

template <class A, class B>
bool overlap(const Plane<A>& a, const Plane<B>& b) {
  const auto [a_first, a_end] = extent(a);
  const auto [b_first, b_end] = extent(b);
  return a_first < b_end && b_first < a_end;
}

// A result the caller owns: the given array when it fits, else a new one.
template <class T>
struct Result {
  py::array array;
  Plane<T> plane;
};

// Raises as `plane`, and ValueError when `out` is read-only, has another size than expected, rows that overlap,
// or memory shared with the input.
template <class T, class In>
Result<T> result(const char* op, const char* name, py::handle out, py::ssize_t height, py::ssize_t width,
                 const Plane<In>& input) {
  if (out.is_none()) {
    py::array_t<T> fresh({height, width});
    return {fresh, {fresh.mutable_data(), height, width, width}};
  }
  const std::string shape = "(" + std::to_string(height) + ", " + std::to_string(width) + ")";
  checked<T>(op, name, shape.c_str(), 2, out);
  const auto array = py::reinterpret_borrow<py::array>(out);
  if (array.shape(0) != height || array.shape(1) != width)
    throw py::value_error(mismatch(op, name, std::string(dtype_name<T>()) + " with shape " + shape, out));
  const Plane<T> target = plane<T>(op, name, out);
  if (!array.writeable())
    throw py::value_error(std::string(op) + ": " + name + " must be writeable, got a read-only array");
  if (height > 1 && std::abs(target.row_stride) < width)
    throw py::value_error(std::string(op) + ": " + name + " has rows that overlap each other");
  if (overlap(target, input)) throw py::value_error(std::string(op) + ": " + name + " overlaps the input");
  return {array, target};
}

// A tuple of `count` outputs, or that many None.
inline std::vector<py::object> outputs(const char* op, py::handle out, std::size_t count) {
  if (out.is_none()) return std::vector<py::object>(count, py::none());
  if (!py::isinstance<py::tuple>(out) || py::len(out) != count)
    throw py::type_error(
        std::string(op) + ": out must be a tuple of " + std::to_string(count) + " arrays, got " +
        (py::isinstance<py::tuple>(out) ? "a tuple of " + std::to_string(py::len(out)) : described(out)));
  return out.cast<std::vector<py::object>>();
}

template <class A, class B>
void check_apart(const char* op, const Plane<A>& a, const Plane<B>& b) {
  if (overlap(a, b)) throw py::value_error(std::string(op) + ": the arrays of out overlap each other");
}

inline Border border_named(const char* op, const std::string& name) {
  if (name == "replicate") return Border::replicate;
  if (name == "reflect101") return Border::reflect101;
  throw py::value_error(std::string(op) + ": unknown border '" + name + "'; available: replicate, reflect101");
}
// "luma: unknown format 'rgb'; available: yuyv, nv12, bgr"
template <class Choice, std::size_t count>
Choice chosen(const char* op, const char* what, const std::string& name,
              const std::pair<const char*, Choice> (&choices)[count]) {
  std::string known;
  for (const auto& [choice, value] : choices) {
    if (name == choice) return value;
    known += (known.empty() ? "" : ", ") + std::string(choice);
  }
  throw py::value_error(std::string(op) + ": unknown " + what + " '" + name + "'; available: " + known);
}

// Working memory of a kernel, 64-byte aligned. Raises MemoryError.
class Scratch {
 public:
  Scratch(const char* op, std::size_t bytes) : memory_(::operator new(bytes, alignment, std::nothrow)) {
    if (memory_) return;
    py::set_error(PyExc_MemoryError, (std::string(op) + ": no memory for " + std::to_string(bytes) + " bytes").c_str());
    throw py::error_already_set();
  }
  ~Scratch() { ::operator delete(memory_, alignment); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  void* get() const { return memory_; }

 private:
  static constexpr std::align_val_t alignment{64};
  void* memory_;
};
}  // namespace edgefer
