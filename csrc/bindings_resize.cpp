// luma, crop_resize and stack as Python functions.
#include <array>
#include <cmath>

#include "bindings.h"
#include "resize_axis.h"

namespace edgefer {
namespace {

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

}  // namespace

void bind_resize(py::module_& m) {
  m.def("luma", &luma);
  m.def("crop_resize", &crop_resize);
  m.def("stack", &stack);
}

}  // namespace edgefer
