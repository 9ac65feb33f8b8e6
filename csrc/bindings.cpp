// The only file that knows Python: checks every argument, releases the GIL, calls the chosen kernel.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dispatch.h"
#include "kernels.h"
#include "resize_axis.h"

namespace py = pybind11;
using namespace edgefer;

namespace {

// ---------------------------------------------------------------------------------------------- choice of variant

// Set by kernels.forced in Python for the calling thread: the tests and benches' way to one named variant.
thread_local std::optional<std::string> variant_of_this_thread;

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

std::string described(py::handle object) {
  if (!py::isinstance<py::array>(object)) return py::str(py::type::handle_of(object).attr("__name__"));
  return std::string(py::str(object.attr("dtype"))) + " " + std::string(py::str(object.attr("shape")));
}

// "sobel: image must be uint8 with shape (H, W), got float32 (480, 640, 3)"
std::string mismatch(const char* op, const char* name, const std::string& expected, py::handle got) {
  return std::string(op) + ": " + name + " must be " + expected + ", got " + described(got);
}

std::string short_number(double value) {
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
std::vector<py::object> outputs(const char* op, py::handle out, std::size_t count) {
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

Border border_named(const char* op, const std::string& name) {
  if (name == "replicate") return Border::replicate;
  if (name == "reflect101") return Border::reflect101;
  throw py::value_error(std::string(op) + ": unknown border '" + name + "'; available: replicate, reflect101");
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

// ---------------------------------------------------------------------------------------------------------- kernels

py::tuple sobel(py::handle image, const std::string& border, py::handle out) {
  static Kernel<SobelFn> kernel{"sobel"};
  const SobelFn run = kernel.get();
  const auto input = plane<const std::uint8_t>("sobel", "image", image);
  const Border edge = border_named("sobel", border);
  const auto given = outputs("sobel", out, 2);
  const auto gx = result<std::int16_t>("sobel", "out[0]", given[0], input.height, input.width, input);
  const auto gy = result<std::int16_t>("sobel", "out[1]", given[1], input.height, input.width, input);
  check_apart("sobel", gx.plane, gy.plane);
  {
    py::gil_scoped_release release;
    run(input, edge, gx.plane, gy.plane);
  }
  return py::make_tuple(gx.array, gy.array);
}

int checked_aperture(const char* op, py::ssize_t aperture) {
  if (aperture != 1 && aperture != 3)
    throw py::value_error(std::string(op) + ": aperture must be 1 or 3, got " + std::to_string(aperture));
  return static_cast<int>(aperture);
}

py::array laplacian(py::handle image, py::ssize_t aperture, const std::string& border, py::handle out) {
  static Kernel<LaplacianFn> kernel{"laplacian"};
  const LaplacianFn run = kernel.get();
  const auto input = plane<const std::uint8_t>("laplacian", "image", image);
  const int size = checked_aperture("laplacian", aperture);
  const Border edge = border_named("laplacian", border);
  const auto target = result<std::int16_t>("laplacian", "out", out, input.height, input.width, input);
  {
    py::gil_scoped_release release;
    run(input, size, edge, target.plane);
  }
  return target.array;
}

py::tuple gradients(py::handle image, py::ssize_t aperture, const std::string& border, py::handle out) {
  static Kernel<GradientsFn> kernel{"gradients"};
  const GradientsFn run = kernel.get();
  const auto input = plane<const std::uint8_t>("gradients", "image", image);
  const int size = checked_aperture("gradients", aperture);
  const Border edge = border_named("gradients", border);
  const auto given = outputs("gradients", out, 3);
  const auto gx = result<std::int16_t>("gradients", "out[0]", given[0], input.height, input.width, input);
  const auto gy = result<std::int16_t>("gradients", "out[1]", given[1], input.height, input.width, input);
  const auto second = result<std::int16_t>("gradients", "out[2]", given[2], input.height, input.width, input);
  check_apart("gradients", gx.plane, gy.plane);
  check_apart("gradients", gx.plane, second.plane);
  check_apart("gradients", gy.plane, second.plane);
  {
    py::gil_scoped_release release;
    run(input, size, edge, gx.plane, gy.plane, second.plane);
  }
  return py::make_tuple(gx.array, gy.array, second.array);
}

int checked_block_size(const char* op, py::ssize_t block_size) {
  if (block_size < 3 || block_size > 15 || block_size % 2 == 0)
    throw py::value_error(std::string(op) + ": block_size must be odd, 3 to 15, got " + std::to_string(block_size));
  return static_cast<int>(block_size);
}

py::array shi_tomasi(py::handle image, py::ssize_t block_size, const std::string& border, py::handle out) {
  static Kernel<ShiTomasiFn> kernel{"shi_tomasi"};
  const ShiTomasiFn run = kernel.get();
  const auto input = plane<const std::uint8_t>("shi_tomasi", "image", image);
  const int block = checked_block_size("shi_tomasi", block_size);
  const Border edge = border_named("shi_tomasi", border);
  const auto target = result<float>("shi_tomasi", "out", out, input.height, input.width, input);
  const Scratch scratch("shi_tomasi", shi_tomasi_scratch_bytes(input.width, block));
  {
    py::gil_scoped_release release;
    run(input, block, edge, target.plane, scratch.get());
  }
  return target.array;
}

py::array good_corners(py::handle image, py::ssize_t max_corners, double quality_level, double min_distance,
                       py::handle mask, py::ssize_t block_size) {
  static Kernel<GoodCornersFn> kernel{"good_corners"};
  const GoodCornersFn run = kernel.get();
  const auto input = plane<const std::uint8_t>("good_corners", "image", image);
  if (input.height > INT32_MAX / input.width)
    throw py::value_error("good_corners: image must have fewer than 2^31 pixels, got " + described(image));
  if (max_corners < 0)
    throw py::value_error("good_corners: max_corners must be 0 (no limit) or more, got " + std::to_string(max_corners));
  if (!(quality_level > 0) || std::isinf(quality_level))
    throw py::value_error("good_corners: quality_level must be above 0, got " + short_number(quality_level));
  if (!(min_distance >= 0) || std::isinf(min_distance))
    throw py::value_error("good_corners: min_distance must be 0 or more, got " + short_number(min_distance));
  const int block = checked_block_size("good_corners", block_size);
  ImageU8 allowed{nullptr, input.height, input.width, 0};
  if (!mask.is_none()) {
    allowed = plane<const std::uint8_t>("good_corners", "mask", mask);
    if (allowed.height != input.height || allowed.width != input.width)
      throw py::value_error(mismatch("good_corners", "mask", "uint8 with the shape of image", mask));
  }
  const Scratch scratch("good_corners", good_corners_scratch_bytes(input.height, input.width, block));
  py::ssize_t count = 0;
  {
    py::gil_scoped_release release;
    count = run(input, allowed, {max_corners, quality_level, min_distance, block}, scratch.get());
  }
  py::array_t<float> points({count, py::ssize_t{2}});
  float* xy = points.mutable_data();
  const auto* corners = static_cast<const Corner*>(scratch.get());
  for (py::ssize_t i = 0; i < count; ++i) {
    xy[2 * i] = static_cast<float>(corners[i].x);
    xy[2 * i + 1] = static_cast<float>(corners[i].y);
  }
  return points;
}

// ------------------------------------------------------------------------------------- luma, crop_resize and stack

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

// A (H, W, depth) array as a plane of H rows of depth * W elements, its two last axes contiguous.
template <class T>
Plane<T> interleaved_plane(const char* op, const char* name, py::handle object, py::ssize_t depth) {
  using Element = std::remove_const_t<T>;
  const std::string shape = "(H, W, " + std::to_string(depth) + ")";
  const py::array array = checked<Element>(op, name, shape.c_str(), 3, object);
  if (array.shape(2) != depth)
    throw py::value_error(mismatch(op, name, std::string(dtype_name<Element>()) + " with shape " + shape, object));
  const py::ssize_t height = array.shape(0), width = array.shape(1);
  if (height == 0 || width == 0)
    throw py::value_error(std::string(op) + ": " + name + " must have at least one pixel, got " + described(object));
  const auto bytes = static_cast<py::ssize_t>(sizeof(Element));
  if ((depth > 1 && array.strides(2) != bytes) || (width > 1 && array.strides(1) != depth * bytes))
    throw py::value_error(std::string(op) + ": " + name + " must have contiguous rows, got strides " +
                          std::string(py::str(array.attr("strides"))));
  return {static_cast<T*>(const_cast<void*>(array.data())), height, depth * width,
          height > 1 ? array.strides(0) / bytes : depth * width};
}

py::array luma(py::handle image, const std::string& format, py::handle out) {
  static Kernel<LumaFn> kernel{"luma"};
  const LumaFn run = kernel.get();
  const LumaFormat kind = chosen<LumaFormat>(
      "luma", "format", format, {{"yuyv", LumaFormat::yuyv}, {"nv12", LumaFormat::nv12}, {"bgr", LumaFormat::bgr}});
  ImageU8 input{};
  py::ssize_t height = 0, width = 0;
  if (kind == LumaFormat::nv12) {
    input = plane<const std::uint8_t>("luma", "image", image);
    if (input.height % 3 || input.width % 2)
      throw py::value_error(mismatch("luma", "image", "uint8 with shape (H * 3 / 2, W), H and W even", image));
    height = input.height / 3 * 2;
    width = input.width;
  } else {
    const py::ssize_t depth = kind == LumaFormat::yuyv ? 2 : 3;
    input = interleaved_plane<const std::uint8_t>("luma", "image", image, depth);
    height = input.height;
    width = input.width / depth;
  }
  const auto grey = result<std::uint8_t>("luma", "out", out, height, width, input);
  {
    py::gil_scoped_release release;
    run(input, kind, grey.plane);
  }
  return grey.array;
}

// What crop_resize and stack have in common: the two axes, and the scratch that goes with them.
struct Resampling {
  AxisTable columns, rows;
  std::vector<std::int32_t> sums;
  std::vector<std::int16_t> row;

  ResizeScratch scratch() { return {sums.data(), row.data()}; }
};

constexpr double max_coordinate = 1e6;
constexpr py::ssize_t max_size = 4096;

template <class Number, std::size_t count>
std::array<Number, count> numbers(const char* op, const char* name, const char* expected, py::handle object) {
  try {
    return object.cast<std::array<Number, count>>();
  } catch (const py::cast_error&) {
    throw py::type_error(std::string(op) + ": " + name + " must be " + expected + ", got " +
                         std::string(py::repr(object)));
  }
}

Resampling resampling(const char* op, const ImageU8& image, py::handle box, py::handle size,
                      const std::string& method) {
  const auto [x0, y0, x1, y1] = numbers<double, 4>(op, "box", "four numbers (x0, y0, x1, y1)", box);
  const auto [height, width] = numbers<py::ssize_t, 2>(op, "size", "two integers (height, width)", size);
  for (const double coordinate : {x0, y0, x1, y1})
    if (!(std::abs(coordinate) <= max_coordinate))
      throw py::value_error(std::string(op) + ": box must be finite and within 1e6 pixels, got " +
                            std::string(py::str(box)));
  if (!(x0 < x1 && y0 < y1))
    throw py::value_error(std::string(op) + ": box must have x0 < x1 and y0 < y1, got " + std::string(py::str(box)));
  if (height < 1 || height > max_size || width < 1 || width > max_size)
    throw py::value_error(std::string(op) + ": size must be (height, width) of 1 to " + std::to_string(max_size) +
                          ", got " + std::string(py::str(size)));
  const ResizeMethod how = chosen<ResizeMethod>(
      op, "method", method,
      {{"auto", ResizeMethod::automatic}, {"area", ResizeMethod::area}, {"bilinear", ResizeMethod::bilinear}});
  Resampling plan{resize_axis(x0, x1, image.width, width, how), resize_axis(y0, y1, image.height, height, how), {}, {}};
  const auto span = static_cast<std::size_t>(plan.columns.end - plan.columns.begin);
  plan.sums.resize(span);
  plan.row.resize(span + 8);
  return plan;
}

py::array crop_resize(py::handle image, py::handle box, py::handle size, const std::string& method, py::handle out) {
  static Kernel<CropResizeFn> kernel{"crop_resize"};
  const CropResizeFn run = kernel.get();
  const auto input = plane<const std::uint8_t>("crop_resize", "image", image);
  auto plan = resampling("crop_resize", input, box, size, method);
  const Axis columns = plan.columns.view(), rows = plan.rows.view();
  const auto resized = result<std::uint8_t>("crop_resize", "out", out, rows.size, columns.size, input);
  {
    py::gil_scoped_release release;
    run(input, columns, rows, plan.scratch(), resized.plane);
  }
  return resized.array;
}

StackPlan stack_plan(const std::vector<std::string>& channels, const std::vector<double>& multipliers,
                     const std::vector<double>& offsets) {
  if (channels.empty() || channels.size() > max_channels)
    throw py::value_error("stack: channels must be 1 to 4 of grey, gx, gy, laplacian, got " +
                          std::to_string(channels.size()));
  if (multipliers.size() != channels.size() || offsets.size() != channels.size())
    throw py::value_error("stack: multipliers and offsets must have one number for each channel, got " +
                          std::to_string(multipliers.size()) + " and " + std::to_string(offsets.size()) + " for " +
                          std::to_string(channels.size()) + " channels");
  StackPlan plan{};
  plan.channels = static_cast<int>(channels.size());
  for (std::size_t c = 0; c < channels.size(); ++c) {
    plan.kinds[c] = chosen<Channel>(
        "stack", "channel", channels[c],
        {{"grey", Channel::grey}, {"gx", Channel::gx}, {"gy", Channel::gy}, {"laplacian", Channel::laplacian}});
    if (std::count(channels.begin(), channels.end(), channels[c]) > 1)
      throw py::value_error("stack: channel '" + channels[c] + "' is given twice");
    plan.multipliers[c] = static_cast<float>(multipliers[c]);
    plan.offsets[c] = static_cast<float>(offsets[c]);
    if (!std::isfinite(plan.multipliers[c]) || !std::isfinite(plan.offsets[c]))
      throw py::value_error("stack: multipliers and offsets must be finite in float32, got " +
                            std::to_string(multipliers[c]) + " and " + std::to_string(offsets[c]));
  }
  return plan;
}

py::array stack(py::handle image, py::handle box, py::handle size, const std::vector<std::string>& channels,
                const std::vector<double>& multipliers, const std::vector<double>& offsets, const std::string& method,
                py::handle out) {
  static Kernel<StackFn> kernel{"stack"};
  const StackFn run = kernel.get();
  const auto input = plane<const std::uint8_t>("stack", "image", image);
  const StackPlan plan = stack_plan(channels, multipliers, offsets);
  auto resampled = resampling("stack", input, box, size, method);
  const Axis columns = resampled.columns.view(), rows = resampled.rows.view();
  py::array target;
  if (out.is_none()) {
    target = py::array_t<std::int8_t>({rows.size, columns.size, py::ssize_t{plan.channels}});
  } else {
    const std::string shape = "(" + std::to_string(rows.size) + ", " + std::to_string(columns.size) + ", " +
                              std::to_string(plan.channels) + ")";
    target = checked<std::int8_t>("stack", "out", shape.c_str(), 3, out);
    if (target.shape(0) != rows.size || target.shape(1) != columns.size || target.shape(2) != plan.channels)
      throw py::value_error(mismatch("stack", "out", "int8 with shape " + shape, out));
    if (!target.writeable()) throw py::value_error("stack: out must be writeable, got a read-only array");
    if (!(target.flags() & py::array::c_style))
      throw py::value_error("stack: out must be contiguous, got strides " +
                            std::string(py::str(target.attr("strides"))));
  }
  auto* first = static_cast<std::int8_t*>(target.mutable_data());
  const py::ssize_t row_size = columns.size * plan.channels;
  if (overlap(Plane<std::int8_t>{first, rows.size, row_size, row_size}, input))
    throw py::value_error("stack: out overlaps the input");
  std::vector<std::uint8_t> ring(3 * static_cast<std::size_t>(columns.size + stack_row_slack));
  {
    py::gil_scoped_release release;
    run(input, columns, rows, plan, {resampled.scratch(), ring.data()}, first);
  }
  return target;
}

// --------------------------------------------------------------------------------------------------- dense networks

// Rows of x: one for shape (in,), else the batch.
struct Batch {
  py::ssize_t rows;
  py::ssize_t columns;
  bool single;
};

template <class T>
py::array checked_contiguous(const char* op, const char* name, const char* shape, py::ssize_t rank, py::handle object) {
  auto array = checked<T>(op, name, shape, rank, object);
  if (!(array.flags() & py::array::c_style))
    throw py::value_error(std::string(op) + ": " + name + " must be contiguous, got strides " +
                          std::string(py::str(array.attr("strides"))));
  return array;
}

template <class T>
Batch checked_batch(const char* op, py::handle x, py::ssize_t inputs) {
  const bool single = py::isinstance<py::array>(x) && py::reinterpret_borrow<py::array>(x).ndim() == 1;
  const auto array = checked_contiguous<T>(op, "x", "(N, in) or (in,)", single ? 1 : 2, x);
  const Batch batch{single ? 1 : array.shape(0), array.shape(single ? 0 : 1), single};
  if (batch.columns != inputs || batch.rows < 1)
    throw py::value_error(mismatch(op, "x",
                                   std::string(dtype_name<T>()) + " with shape (N, " + std::to_string(inputs) +
                                       ") or (" + std::to_string(inputs) + ",), N at least 1",
                                   x));
  return batch;
}

// Where the answer for a batch goes: `out` when it fits, else a new array.
template <class T>
py::array answer(const char* op, py::handle out, const Batch& batch, py::ssize_t outputs, py::handle x) {
  if (out.is_none()) return batch.single ? py::array_t<T>(outputs) : py::array_t<T>({batch.rows, outputs});
  const std::string shape = batch.single ? "(" + std::to_string(outputs) + ",)"
                                         : "(" + std::to_string(batch.rows) + ", " + std::to_string(outputs) + ")";
  auto array = checked_contiguous<T>(op, "out", shape.c_str(), batch.single ? 1 : 2, out);
  if (array.shape(array.ndim() - 1) != outputs || (!batch.single && array.shape(0) != batch.rows))
    throw py::value_error(mismatch(op, "out", std::string(dtype_name<T>()) + " with shape " + shape, out));
  if (!array.writeable()) throw py::value_error(std::string(op) + ": out must be writeable, got a read-only array");
  const auto input = py::reinterpret_borrow<py::array>(x);
  const Plane<const T> from{static_cast<const T*>(input.data()), 1, input.size(), input.size()};
  if (overlap(Plane<T>{static_cast<T*>(array.mutable_data()), 1, array.size(), array.size()}, from))
    throw py::value_error(std::string(op) + ": out overlaps the input");
  return array;
}

// The shape of a layer's weights and bias: (out, in), at least one of each, and (out,).
template <class Weight, class Bias>
std::pair<py::ssize_t, py::ssize_t> layer_shape(const char* op, py::handle weights, py::handle bias) {
  const auto matrix = checked_contiguous<Weight>(op, "weights", "(out, in)", 2, weights);
  if (matrix.size() == 0)
    throw py::value_error(std::string(op) + ": weights must not be empty, got " + described(weights));
  const auto vector = checked_contiguous<Bias>(op, "bias", "(out,)", 1, bias);
  if (vector.shape(0) != matrix.shape(0))
    throw py::value_error(mismatch(op, "bias",
                                   std::string(dtype_name<Bias>()) + " with shape (" + std::to_string(matrix.shape(0)) +
                                       ",), the weights' outputs",
                                   bias));
  return {matrix.shape(0), matrix.shape(1)};
}

// One layer, its weights packed as the kernels want them.
struct Layer {
  py::ssize_t inputs, outputs;
  Activation activation;
  std::vector<float> packed, bias;

  Layer(const char* op, py::handle weights, py::handle given_bias, const std::string& activation_name) {
    std::tie(outputs, inputs) = layer_shape<float, float>(op, weights, given_bias);
    activation = chosen<Activation>(op, "activation", activation_name,
                                    {{"none", Activation::none},
                                     {"sigmoid", Activation::sigmoid},
                                     {"relu", Activation::relu},
                                     {"softmax", Activation::softmax}});
    const auto* matrix = static_cast<const float*>(py::reinterpret_borrow<py::array>(weights).data());
    const auto* vector = static_cast<const float*>(py::reinterpret_borrow<py::array>(given_bias).data());
    const py::ssize_t padded = (outputs + panel - 1) / panel * panel;
    packed.resize(padded * inputs);
    bias.assign(vector, vector + outputs);
    bias.resize(padded);
    for (py::ssize_t o = 0; o < outputs; ++o)
      for (py::ssize_t i = 0; i < inputs; ++i)
        packed[(o / panel * inputs + i) * panel + o % panel] = matrix[o * inputs + i];
  }

  void run(FullyConnectedFn kernel, const float* x, py::ssize_t batch, float* y) const {
    kernel(x, batch, inputs, packed.data(), bias.data(), outputs, y);
    activate(activation, y, batch, outputs);
  }
};

Kernel<FullyConnectedFn>& fully_connected_kernel() {
  static Kernel<FullyConnectedFn> kernel{"fully_connected"};
  return kernel;
}

py::array fully_connected(py::handle x, py::handle weights, py::handle bias, const std::string& activation,
                          py::handle out) {
  const FullyConnectedFn kernel = fully_connected_kernel().get();
  const Layer layer("fully_connected", weights, bias, activation);
  const Batch batch = checked_batch<float>("fully_connected", x, layer.inputs);
  py::array y = answer<float>("fully_connected", out, batch, layer.outputs, x);
  const auto* from = static_cast<const float*>(py::reinterpret_borrow<py::array>(x).data());
  auto* to = static_cast<float*>(y.mutable_data());
  {
    py::gil_scoped_release release;
    layer.run(kernel, from, batch.rows, to);
  }
  return y;
}

class Mlp {
 public:
  explicit Mlp(py::handle layers) {
    if (!py::isinstance<py::sequence>(layers) || py::len(layers) == 0)
      throw py::value_error("Mlp: layers must be a sequence of (weights, bias, activation), got " + described(layers));
    for (const py::handle layer : layers) {
      if (!py::isinstance<py::tuple>(layer) || py::len(layer) != 3)
        throw py::type_error("Mlp: each layer must be a tuple (weights, bias, activation), got " + described(layer));
      const auto parts = py::reinterpret_borrow<py::tuple>(layer);
      if (!py::isinstance<py::str>(parts[2]))
        throw py::type_error("Mlp: activation must be a string, got " + described(parts[2]));
      layers_.emplace_back("Mlp", parts[0], parts[1], parts[2].cast<std::string>());
      const Layer& added = layers_.back();
      if (layers_.size() > 1 && added.inputs != layers_[layers_.size() - 2].outputs)
        throw py::value_error("Mlp: layer " + std::to_string(layers_.size() - 1) + " must take the " +
                              std::to_string(layers_[layers_.size() - 2].outputs) +
                              " outputs of the layer before it, got weights for " + std::to_string(added.inputs));
      widest_ = std::max(widest_, added.outputs);
      work_ += added.outputs * added.inputs;
    }
  }

  py::array operator()(py::handle x, py::handle out) const {
    const FullyConnectedFn kernel = fully_connected_kernel().get();
    const Batch batch = checked_batch<float>("Mlp", x, layers_.front().inputs);
    py::array y = answer<float>("Mlp", out, batch, layers_.back().outputs, x);
    const auto* from = static_cast<const float*>(py::reinterpret_borrow<py::array>(x).data());
    auto* to = static_cast<float*>(y.mutable_data());
    std::vector<float> hidden(layers_.size() > 1 ? 2 * widest_ * batch.rows : 0);
    // Handing the GIL over takes longer than a small network.
    if (work_ * batch.rows < 1 << 14) {
      run(kernel, from, batch.rows, hidden.data(), to);
    } else {
      py::gil_scoped_release release;
      run(kernel, from, batch.rows, hidden.data(), to);
    }
    return y;
  }

  std::vector<py::ssize_t> sizes() const {
    std::vector<py::ssize_t> all{layers_.front().inputs};
    for (const Layer& layer : layers_) all.push_back(layer.outputs);
    return all;
  }

 private:
  // The hidden layers write the two halves of `hidden` in turn.
  void run(FullyConnectedFn kernel, const float* x, py::ssize_t batch, float* hidden, float* y) const {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      float* to = i + 1 < layers_.size() ? hidden + i % 2 * widest_ * batch : y;
      layers_[i].run(kernel, x, batch, to);
      x = to;
    }
  }

  std::vector<Layer> layers_;
  py::ssize_t widest_ = 0, work_ = 0;
};

float positive_scale(const char* name, double value) {
  const auto scale = static_cast<float>(value);
  if (!(scale > 0) || !std::isfinite(scale))
    throw py::value_error(std::string("fully_connected_int8: ") + name +
                          " must be positive and finite in float32, got " + std::to_string(value));
  return scale;
}

void check_zero_point(const char* name, std::int64_t value) {
  if (value < -128 || value > 127)
    throw py::value_error(std::string("fully_connected_int8: ") + name + " must be from -128 to 127, got " +
                          std::to_string(value));
}

// TFLite takes the product of the scales in float32 for one scale of all weights, in float64 for one of each output.
std::vector<double> real_multipliers(float input_scale, py::handle weight_scale, float output_scale,
                                     py::ssize_t outputs) {
  if (!py::isinstance<py::array>(weight_scale) || py::reinterpret_borrow<py::array>(weight_scale).ndim() == 0) {
    double value = 0;
    try {
      value = weight_scale.cast<double>();
    } catch (const py::cast_error&) {
      throw py::type_error(
          mismatch("fully_connected_int8", "weight_scale", "a number, or float32 with shape (out,)", weight_scale));
    }
    const float product = input_scale * positive_scale("weight_scale", value);
    if (!std::isfinite(product))
      throw py::value_error("fully_connected_int8: input_scale * weight_scale must be finite in float32, got " +
                            short_number(input_scale) + " * " + short_number(value));
    return std::vector<double>(outputs, static_cast<double>(product) / static_cast<double>(output_scale));
  }
  const auto scales = checked_contiguous<float>("fully_connected_int8", "weight_scale", "(out,)", 1, weight_scale);
  if (scales.shape(0) != outputs)
    throw py::value_error(mismatch("fully_connected_int8", "weight_scale",
                                   "a number, or float32 with shape (" + std::to_string(outputs) + ",)", weight_scale));
  std::vector<double> multipliers;
  for (py::ssize_t o = 0; o < outputs; ++o)
    multipliers.push_back(
        static_cast<double>(input_scale) *
        static_cast<double>(positive_scale("weight_scale", static_cast<const float*>(scales.data())[o])) /
        static_cast<double>(output_scale));
  return multipliers;
}

enum class ClampS8 { none, relu, relu6, relu_n1_to_1 };

// The ends of an activation's range as int8, at most the type's own.
std::pair<std::int32_t, std::int32_t> activation_range(ClampS8 clamp, float scale, std::int64_t zero_point) {
  const auto quantised = [&](float value) {
    // A tiny scale must not leave the range of an integer.
    const double steps = std::round(static_cast<double>(value / scale));
    return static_cast<std::int32_t>(std::clamp(steps + static_cast<double>(zero_point), -128.0, 127.0));
  };
  switch (clamp) {
    case ClampS8::none: return {-128, 127};
    case ClampS8::relu: return {quantised(0), 127};
    case ClampS8::relu6: return {quantised(0), quantised(6)};
    case ClampS8::relu_n1_to_1: return {quantised(-1), quantised(1)};
  }
  return {-128, 127};
}

py::array fully_connected_int8(py::handle x, py::handle weights, py::handle bias, std::int64_t input_zero_point,
                               std::int64_t output_zero_point, double input_scale, py::handle weight_scale,
                               double output_scale, const std::string& activation, py::handle out) {
  constexpr const char* op = "fully_connected_int8";
  static Kernel<FullyConnectedS8Fn> kernel{op};
  const FullyConnectedS8Fn run = kernel.get();
  const auto [outputs, inputs] = layer_shape<std::int8_t, std::int32_t>(op, weights, bias);
  const Batch batch = checked_batch<std::int8_t>(op, x, inputs);
  check_zero_point("input_zero_point", input_zero_point);
  check_zero_point("output_zero_point", output_zero_point);
  const float input_step = positive_scale("input_scale", input_scale);
  const float output_step = positive_scale("output_scale", output_scale);
  const ClampS8 clamp = chosen<ClampS8>(op, "activation", activation,
                                        {{"none", ClampS8::none},
                                         {"relu", ClampS8::relu},
                                         {"relu6", ClampS8::relu6},
                                         {"relu_n1_to_1", ClampS8::relu_n1_to_1}});
  std::vector<std::int32_t> multipliers(outputs), shifts(outputs);
  const auto real = real_multipliers(input_step, weight_scale, output_step, outputs);
  for (py::ssize_t o = 0; o < outputs; ++o) quantise_multiplier(real[o], multipliers[o], shifts[o]);
  const auto [lowest, highest] = activation_range(clamp, output_step, output_zero_point);
  const Requantisation requantisation{static_cast<std::int32_t>(input_zero_point),
                                      static_cast<std::int32_t>(output_zero_point),
                                      multipliers.data(),
                                      shifts.data(),
                                      lowest,
                                      highest};
  py::array y = answer<std::int8_t>(op, out, batch, outputs, x);
  const auto* from = static_cast<const std::int8_t*>(py::reinterpret_borrow<py::array>(x).data());
  const auto* matrix = static_cast<const std::int8_t*>(py::reinterpret_borrow<py::array>(weights).data());
  const auto* vector = static_cast<const std::int32_t*>(py::reinterpret_borrow<py::array>(bias).data());
  auto* to = static_cast<std::int8_t*>(y.mutable_data());
  {
    py::gil_scoped_release release;
    run(from, batch.rows, inputs, matrix, vector, outputs, requantisation, to);
  }
  return y;
}

}  // namespace

PYBIND11_MODULE(_kernels, m) {
  m.doc() = "Compiled kernels; edgefer.kernels is their documented front.";

  // A bad EDGEFER_ISA is bad usage: one line and exit code 2 from the command line.
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const BadIsa& bad) {
      py::set_error(py::module_::import("edgefer.errors").attr("UsageError"), bad.what());
    }
  });

  m.def("operations", &operations);
  m.def("variants", [](const std::string& op) {
    active_row(op);  // refuses an unknown operation and a bad EDGEFER_ISA
    std::vector<std::string> names;
    for (const Row* row : runnable(op)) names.emplace_back(isa_name(row->isa));
    return names;
  });
  m.def("active", [](const std::string& op) {
    if (variant_of_this_thread) return std::string(isa_name(named_row(op, *variant_of_this_thread).isa));
    return std::string(isa_name(active_row(op).isa));
  });
  m.def("use_variant", [](std::optional<std::string> name) { variant_of_this_thread = std::move(name); });

  m.def("sobel", &sobel);
  m.def("laplacian", &laplacian);
  m.def("gradients", &gradients);
  m.def("shi_tomasi", &shi_tomasi);
  m.def("good_corners", &good_corners);

  m.def("luma", &luma);
  m.def("crop_resize", &crop_resize);
  m.def("stack", &stack);
  m.def("fully_connected", &fully_connected);
  m.def("fully_connected_int8", &fully_connected_int8);
  py::class_<Mlp>(m, "Mlp")
      .def(py::init<py::handle>(), py::arg("layers"))
      .def("__call__", &Mlp::operator(), py::arg("x"), py::arg("out") = py::none())
      .def_property_readonly("sizes", &Mlp::sizes);
}
