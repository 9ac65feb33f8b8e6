// crop_resize and stack for Python.
#include <array>
#include <cmath>

#include "python/bindings.h"

namespace edgefer {
namespace {

constexpr double max_coordinate = 1e6;
constexpr py::ssize_t max_size = 4096;

// The items of a sequence. Raises TypeError for anything else, a string included.
py::tuple items(const char* op, const char* name, const char* expected, py::handle object) {
  if (PyTuple_Check(object.ptr())) return py::reinterpret_borrow<py::tuple>(object);
  const bool sequence =
      PySequence_Check(object.ptr()) && !PyUnicode_Check(object.ptr()) && !PyBytes_Check(object.ptr());
  auto tuple = py::reinterpret_steal<py::tuple>(sequence ? PySequence_Tuple(object.ptr()) : nullptr);
  if (PyErr_Occurred()) throw py::error_already_set();
  if (!sequence) throw py::type_error(mismatch(op, name, expected, object));
  return tuple;
}

// Raises TypeError unless it is `count` numbers, taken one by one with `as`.
template <std::size_t count, class As>
auto numbers(const char* op, const char* name, const char* expected, py::handle object, As as) {
  std::array<decltype(as(op, name, object)), count> values{};
  const auto wrong = [&] {
    return py::type_error(std::string(op) + ": " + name + " must be " + expected + ", got " +
                          std::string(py::repr(object)));
  };
  const bool sequence = PySequence_Check(object.ptr()) && !PyUnicode_Check(object.ptr());
  if (!sequence) throw wrong();
  const py::tuple given = items(op, name, expected, object);
  if (given.size() != count) throw wrong();
  try {
    for (std::size_t i = 0; i < count; ++i) values[i] = as(op, name, PyTuple_GET_ITEM(given.ptr(), i));
  } catch (const py::type_error&) { throw wrong(); }
  return values;
}

// Makes the two axes, in this thread's memory.
ResizeMemory& resampling(const char* op, const ImageU8& image, py::handle box, py::handle size, py::handle method) {
  const auto [x0, y0, x1, y1] = numbers<4>(op, "box", "four numbers (x0, y0, x1, y1)", box, number);
  const auto [height, width] = numbers<2>(op, "size", "two integers (height, width)", size, integer);
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
      op, "method", text(op, "method", method),
      {{"auto", ResizeMethod::automatic}, {"area", ResizeMethod::area}, {"bilinear", ResizeMethod::bilinear}});
  ResizeMemory& memory = resize_memory_of_this_thread();
  resize_axis(x0, x1, image.width, width, how, memory.columns);
  resize_axis(y0, y1, image.height, height, how, memory.rows);
  return memory;
}

// Nanoseconds, for the GIL: every pixel the box touches, once.
double resampling_time(const Axis& columns, const Axis& rows) {
  return static_cast<double>(columns.end - columns.begin) * static_cast<double>(rows.end - rows.begin) * 0.3 +
         static_cast<double>(columns.size) * static_cast<double>(rows.size) * 0.5;
}

}  // namespace

py::object crop_resize(PyObject* const* values) {
  const py::handle image = values[0], box = values[1], size = values[2], method = values[3], out = values[4];
  static const Kernel<CropResizeFn> kernel{"crop_resize"};
  CropResizeFn* const run = kernel.get();
  const auto input = plane<const std::uint8_t>("crop_resize", "image", image);
  ResizeMemory& memory = resampling("crop_resize", input, box, size, method);
  const Axis columns = memory.columns.view(), rows = memory.rows.view();
  auto resized = result<std::uint8_t>("crop_resize", "out", out, rows.size, columns.size, input);
  void* scratch = memory.scratch(crop_resize_scratch_bytes(columns));
  {
    const Unlocked unlocked(resampling_time(columns, rows));
    run(input, columns, rows, resized.plane, scratch);
  }
  return std::move(resized.array);
}

namespace {

StackPlan stack_plan(py::handle given_channels, py::handle given_multipliers, py::handle given_offsets) {
  const py::tuple channels = items("stack", "channels", "a sequence of names", given_channels);
  const py::tuple multipliers = items("stack", "multipliers", "a sequence of numbers", given_multipliers);
  const py::tuple offsets = items("stack", "offsets", "a sequence of numbers", given_offsets);
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
    const std::string_view name = text("stack", "channels", PyTuple_GET_ITEM(channels.ptr(), c));
    plan.kinds[c] = chosen<Channel>(
        "stack", "channel", name,
        {{"grey", Channel::grey}, {"gx", Channel::gx}, {"gy", Channel::gy}, {"laplacian", Channel::laplacian}});
    if (std::find(plan.kinds, plan.kinds + c, plan.kinds[c]) != plan.kinds + c)
      throw py::value_error("stack: channel '" + std::string(name) + "' is given twice");
    const double multiplier = number("stack", "multipliers", PyTuple_GET_ITEM(multipliers.ptr(), c));
    const double offset = number("stack", "offsets", PyTuple_GET_ITEM(offsets.ptr(), c));
    plan.multipliers[c] = static_cast<float>(multiplier);
    plan.offsets[c] = static_cast<float>(offset);
    if (!std::isfinite(plan.multipliers[c]) || !std::isfinite(plan.offsets[c]))
      throw py::value_error("stack: multipliers and offsets must be finite in float32, got " +
                            std::to_string(multiplier) + " and " + std::to_string(offset));
  }
  return plan;
}

}  // namespace

py::object stack(PyObject* const* values) {
  const py::handle image = values[0], box = values[1], size = values[2], method = values[6], out = values[7];
  static const Kernel<StackFn> kernel{"stack"};
  StackFn* const run = kernel.get();
  const auto input = plane<const std::uint8_t>("stack", "image", image);
  const StackPlan plan = stack_plan(values[3], values[4], values[5]);
  ResizeMemory& memory = resampling("stack", input, box, size, method);
  const Axis columns = memory.columns.view(), rows = memory.rows.view();
  auto target = py::reinterpret_steal<py::array>(py::handle());
  if (out.is_none()) {
    target = fresh<std::int8_t>({rows.size, columns.size, plan.channels});
  } else {
    const auto shape = [&] {
      return "(" + std::to_string(rows.size) + ", " + std::to_string(columns.size) + ", " +
             std::to_string(plan.channels) + ")";
    };
    if (!holds<std::int8_t>(out)) throw py::type_error(mismatch("stack", "out", "int8 with shape " + shape(), out));
    target = py::reinterpret_borrow<py::array>(out);
    if (target.ndim() != 3 || target.shape(0) != rows.size || target.shape(1) != columns.size ||
        target.shape(2) != plan.channels)
      throw py::value_error(mismatch("stack", "out", "int8 with shape " + shape(), out));
    if (!target.writeable()) throw py::value_error("stack: out must be writeable, got a read-only array");
    if (!(target.flags() & py::array::c_style))
      throw py::value_error("stack: out must be contiguous, got strides " +
                            std::string(py::str(target.attr("strides"))));
  }
  auto* first = static_cast<std::int8_t*>(target.mutable_data());
  const py::ssize_t row_size = columns.size * plan.channels;
  if (overlap(Plane<std::int8_t>{first, rows.size, row_size, row_size}, input))
    throw py::value_error("stack: out overlaps the input");
  void* scratch = memory.scratch(stack_scratch_bytes(columns));
  {
    const Unlocked unlocked(resampling_time(columns, rows) + static_cast<double>(columns.size * rows.size) * 0.5);
    run(input, columns, rows, plan, first, scratch);
  }
  return target;
}

}  // namespace edgefer
