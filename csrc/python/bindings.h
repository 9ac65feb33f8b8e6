// What the bindings share: how Python calls a kernel, the choice of a variant, the checks of arguments, working memory.
// No other files than bindings*.cpp know Python.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/dispatch.h"

namespace edgefer {

namespace py = pybind11;

// --------------------------------------------------------------------------------------------------------- operations

// The operations as Python calls them: one value for each parameter of their declaration in kernels.py, in its order,
// defaults filled in. They throw pybind11's exceptions.
using Operation = py::object (*)(PyObject* const* values);
py::object sobel(PyObject* const* values);
py::object laplacian(PyObject* const* values);
py::object gradients(PyObject* const* values);
py::object shi_tomasi(PyObject* const* values);
py::object good_corners(PyObject* const* values);
py::object flow(PyObject* const* values);
py::object median_flow(PyObject* const* values);
py::object cascade(PyObject* const* values);
py::object luma(PyObject* const* values);
py::object crop_resize(PyObject* const* values);
py::object stack(PyObject* const* values);
py::object fully_connected(PyObject* const* values);
py::object fully_connected_int8(PyObject* const* values);

// New types of the module: callables that CPython calls without a tuple or a dictionary of arguments.
py::object make_function_type();
py::object make_mlp_type();
py::object make_mlp_int8_type();
void define_cascade(py::module_& m);

// The parameters of a callable; a default is null where the caller must give a value.
struct Parameters {
  std::string callable;
  std::vector<py::object> names;  // interned
  std::vector<py::object> defaults;
  std::size_t positional;  // as many may be given by position
};

constexpr std::size_t max_parameters = 10;

// Sorts the arguments of a vectorcall into values[names.size()], borrowed. Raises TypeError as Python would.
void bind_arguments(const Parameters& parameters, PyObject* const* arguments, std::size_t flagged_count,
                    PyObject* keywords, PyObject** values);

// Sets Python's error for the exception in flight.
void set_python_error() noexcept;

// The result of `work` as a new reference, or null and Python's error set.
template <class Work> PyObject* guarded(Work&& work) noexcept {
  try {
    return work().release().ptr();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

// Without the GIL while it lives, if the work ahead takes about 20 us or more by the rate of the AVX2 variants on a
// desktop. Handing the GIL over and back costs some 50 ns alone, but beside a busy thread its turn of 5 ms.
class Unlocked {
 public:
  explicit Unlocked(double nanoseconds) : state_(nanoseconds < 20e3 ? nullptr : PyEval_SaveThread()) {}
  ~Unlocked() {
    if (state_) PyEval_RestoreThread(state_);
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

// ---------------------------------------------------------------------------------------------- choice of variant

// The variant kernels.forced in Python sets for the calling thread: the tests' and benches' way to one by name.
struct Forced {
  bool any, known;
  Isa isa;  // if known
};
inline thread_local Forced forced_here{};
std::string forced_name();  // for messages

// What the calling thread last fetched to run it, for the tests.
struct Ran {
  const char* op;  // null at first
  Isa isa;
};
inline thread_local Ran last_ran{};

// The functions of an operation by instruction set; constant, so that threads may share it. The environment is read
// when the first of each is made, at the first call of the kernel.
template <class Fn> class Kernel {
 public:
  explicit Kernel(const char* op) : op_(op), active_(active_row(op).isa) {
    for (const Row* row : runnable(op)) functions_[static_cast<std::size_t>(row->isa)] = std::get<Fn*>(row->function);
  }

  Fn* get() const {
    const Isa isa = forced_here.any ? forced_here.isa : active_;
    Fn* const function = functions_[static_cast<std::size_t>(isa)];
    if (forced_here.any && (!forced_here.known || !function)) named_row(op_, forced_name());  // throws
    last_ran = {op_, isa};
    return function;
  }

 private:
  const char* op_;
  Isa active_;
  Fn* functions_[std::size(all_isas)] = {};
};

// ---------------------------------------------------------------------------------------------------------- arguments

std::string described(py::handle object);

// "sobel: image must be uint8 with shape (H, W), got float32 (480, 640, 3)"
std::string mismatch(const char* op, const char* name, const std::string& expected, py::handle got);

std::string short_number(double value);

// Raise TypeError for an object of another kind.
std::string_view text(const char* op, const char* name, py::handle object);
py::ssize_t integer(const char* op, const char* name, py::handle object);
double number(const char* op, const char* name, py::handle object);

inline const py::detail::npy_api& numpy() {
  static const py::detail::npy_api& api = py::detail::npy_api::get();
  return api;
}

template <class T> constexpr const char* dtype_name() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return "uint8";
  if constexpr (std::is_same_v<T, std::int8_t>) return "int8";
  if constexpr (std::is_same_v<T, std::int16_t>) return "int16";
  if constexpr (std::is_same_v<T, std::int32_t>) return "int32";
  if constexpr (std::is_same_v<T, float>) return "float32";
}

template <class T> PyObject* native_dtype() {
  static PyObject* const dtype = py::dtype::of<T>().release().ptr();
  return dtype;
}

// True for an array of exactly that dtype.
template <class T> bool holds(py::handle object) {
  if (Py_TYPE(object.ptr()) != numpy().PyArray_Type_ && !numpy().PyArray_Check_(object.ptr())) return false;
  PyObject* dtype = py::detail::array_proxy(object.ptr())->descr;
  return dtype == native_dtype<T>() || numpy().PyArray_EquivTypes_(dtype, native_dtype<T>());
}

// An array as `fresh` makes it, in memory that pool.cpp keeps for the next one.
constexpr std::size_t pooled_least = std::size_t{32} << 10;  // bytes; what is smaller stays in the heap anyway
py::array pooled_array(PyObject* dtype, std::initializer_list<Py_intptr_t> shape, std::size_t bytes);

// A new array without gaps, its elements unset.
template <class T> py::array fresh(std::initializer_list<Py_intptr_t> shape) {
  PyObject* dtype = native_dtype<T>();
  std::size_t bytes = sizeof(T);
  for (const Py_intptr_t size : shape) bytes *= static_cast<std::size_t>(size);
  if (bytes >= pooled_least) return pooled_array(dtype, shape, bytes);
  Py_INCREF(dtype);  // the array keeps it
  PyObject* array = numpy().PyArray_NewFromDescr_(numpy().PyArray_Type_, dtype, static_cast<int>(shape.size()),
                                                  shape.begin(), nullptr, nullptr, 0, nullptr);
  if (!array) throw py::error_already_set();
  return py::reinterpret_steal<py::array>(array);
}

// An array of exactly that dtype and rank, aligned; never a copy. Raises TypeError (dtype) or ValueError (rank).
template <class T>
py::array checked(const char* op, const char* name, const char* shape, py::ssize_t rank, py::handle object) {
  const auto expected = [&] { return std::string(dtype_name<T>()) + " with shape " + shape; };
  if (!holds<T>(object)) throw py::type_error(mismatch(op, name, expected(), object));
  auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != rank) throw py::value_error(mismatch(op, name, expected(), object));
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
template <class T> Plane<T> plane(const char* op, const char* name, py::handle object) {
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

template <class T> double pixels(const Plane<T>& p) {
  return static_cast<double>(p.height) * static_cast<double>(p.width);
}

// First byte and one past the last byte of a plane.
template <class T> std::pair<std::uintptr_t, std::uintptr_t> extent(const Plane<T>& p) {
  const T* first = p.data + std::min<std::ptrdiff_t>(0, (p.height - 1) * p.row_stride);
  const T* last = p.data + std::max<std::ptrdiff_t>(0, (p.height - 1) * p.row_stride) + p.width;
  return {reinterpret_cast<std::uintptr_t>(first), reinterpret_cast<std::uintptr_t>(last)};
}

template <class A, class B> bool overlap(const Plane<A>& a, const Plane<B>& b) {
  const auto [a_first, a_end] = extent(a);
  const auto [b_first, b_end] = extent(b);
  return a_first < b_end && b_first < a_end;
}

// A result the caller owns: the given array when it fits, else a new one.
template <class T> struct Result {
  py::array array;
  Plane<T> plane;
};

// Raises as `plane`, and ValueError when `out` is read-only, has another size than expected, rows that overlap,
// or memory shared with the input.
template <class T, class In>
Result<T> result(const char* op, const char* name, py::handle out, py::ssize_t height, py::ssize_t width,
                 const Plane<In>& input) {
  if (out.is_none()) {
    py::array array = fresh<T>({height, width});
    auto* data = static_cast<T*>(array.mutable_data());
    return {std::move(array), {data, height, width, width}};
  }
  const auto fits = [&] {
    const auto& given = *py::detail::array_proxy(out.ptr());
    return given.nd == 2 && given.dimensions[0] == height && given.dimensions[1] == width;
  };
  if (!holds<T>(out) || !fits()) {
    const std::string shape = "(" + std::to_string(height) + ", " + std::to_string(width) + ")";
    checked<T>(op, name, shape.c_str(), 2, out);
    throw py::value_error(mismatch(op, name, std::string(dtype_name<T>()) + " with shape " + shape, out));
  }
  const auto array = py::reinterpret_borrow<py::array>(out);
  const Plane<T> target = plane<T>(op, name, out);
  if (!array.writeable())
    throw py::value_error(std::string(op) + ": " + name + " must be writeable, got a read-only array");
  if (height > 1 && std::abs(target.row_stride) < width)
    throw py::value_error(std::string(op) + ": " + name + " has rows that overlap each other");
  if (overlap(target, input)) throw py::value_error(std::string(op) + ": " + name + " overlaps the input");
  return {array, target};
}

// The `index`th of a tuple of `count` outputs, or None when there is no tuple.
py::handle output(const char* op, py::handle out, py::ssize_t count, py::ssize_t index);

template <class A, class B> void check_apart(const char* op, const Plane<A>& a, const Plane<B>& b) {
  if (overlap(a, b)) throw py::value_error(std::string(op) + ": the arrays of out overlap each other");
}

// "luma: unknown format 'rgb'; available: yuyv, nv12, bgr"
template <class Choice, std::size_t count>
Choice chosen(const char* op, const char* what, std::string_view name,
              const std::pair<const char*, Choice> (&choices)[count]) {
  for (const auto& [choice, value] : choices)
    if (name == choice) return value;
  std::string known;
  for (const auto& [choice, value] : choices) known += (known.empty() ? "" : ", ") + std::string(choice);
  throw py::value_error(std::string(op) + ": unknown " + what + " '" + std::string(name) + "'; available: " + known);
}

Border border_named(const char* op, py::handle name);

// Working memory of a kernel, 64-byte aligned. Raises MemoryError.
class Scratch {
 public:
  Scratch(const char* op, std::size_t bytes) : memory_(::operator new(bytes, alignment, std::nothrow)) {
    if (memory_) return;
    py::set_error(PyExc_MemoryError,
                  (std::string(op) + ": out of scratch memory: " + std::to_string(bytes) + " bytes").c_str());
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
