// flow for Python.
#include "python/bindings.h"

namespace edgefer {
namespace {

// An array (N, 2) of x and y.
py::array places(const char* op, const char* name, py::handle object) {
  py::array given = checked_contiguous<float>(op, name, "(N, 2)", 2, object);
  if (given.shape(1) != 2) throw py::value_error(edgefer::mismatch(op, name, "float32 with shape (N, 2)", object));
  return given;
}

// A number from `least` on; infinity is allowed.
double at_least(const char* name, double least, py::handle object) {
  const double value = number("median_flow", name, object);
  if (!(value >= least))
    throw py::value_error(std::string("median_flow: ") + name + " must be at least " + short_number(least) + ", got " +
                          short_number(value));
  return value;
}

}  // namespace

py::object flow(PyObject* const* values) {
  const py::handle before = values[0], after = values[1], points = values[2];
  static const Kernel<FlowFn> kernel{"flow"};
  FlowFn* const run = kernel.get();
  const auto first = plane<const std::uint8_t>("flow", "before", before);
  const auto second = plane<const std::uint8_t>("flow", "after", after);
  if (first.height != second.height || first.width != second.width)
    throw py::value_error(mismatch("flow", "after", "uint8 with the shape of before", after));
  const auto [shorter, longer] = std::minmax(first.height, first.width);
  if (shorter < 3 || longer > flow_max_side)
    throw py::value_error(
        mismatch("flow", "before", "of 3 to " + std::to_string(flow_max_side) + " pixels a side", before));
  const py::ssize_t window = integer("flow", "window", values[3]), levels = integer("flow", "levels", values[4]);
  if (window < 3 || window > flow_max_window || window % 2 == 0)
    throw py::value_error("flow: window must be odd, 3 to " + std::to_string(flow_max_window) + ", got " +
                          std::to_string(window));
  if (levels < 1 || levels > flow_max_levels)
    throw py::value_error("flow: levels must be 1 to " + std::to_string(flow_max_levels) + ", got " +
                          std::to_string(levels));
  const py::array given = places("flow", "points", points);
  const py::ssize_t count = given.shape(0);
  const auto* xy = static_cast<const float*>(given.data());
  for (py::ssize_t i = 0; i < count; ++i) {
    const float x = xy[2 * i], y = xy[2 * i + 1];
    if (!(x >= 0 && y >= 0 && x <= static_cast<float>(first.width - 1) && y <= static_cast<float>(first.height - 1)))
      throw py::value_error("flow: points must lie in the image, got (" + short_number(x) + ", " + short_number(y) +
                            ") at index " + std::to_string(i));
  }
  py::array there = fresh<float>({count, 2}), error = fresh<float>({count});
  const FlowPoints work{count, xy, static_cast<float*>(there.mutable_data()),
                        static_cast<float*>(error.mutable_data())};
  const Scratch scratch(
      "flow", flow_scratch_bytes(first.height, first.width, static_cast<int>(window), static_cast<int>(levels)));
  {
    const Unlocked unlocked(pixels(first) + static_cast<double>(count) * 1000);
    run(first, second, work, static_cast<int>(window), static_cast<int>(levels), scratch.get());
  }
  return py::make_tuple(there, error);
}

py::object median_flow(PyObject* const* values) {
  const char* const op = "median_flow";
  const py::array points = places(op, "points", values[0]), there = places(op, "there", values[1]);
  const py::array error = checked_contiguous<float>(op, "error", "(N,)", 1, values[2]);
  const py::ssize_t count = points.shape(0);
  if (there.shape(0) != count)
    throw py::value_error(edgefer::mismatch(op, "there", "as many rows as points", values[1]));
  if (error.shape(0) != count)
    throw py::value_error(edgefer::mismatch(op, "error", "as many values as points", values[2]));
  if (count > median_flow_most)
    throw py::value_error(
        edgefer::mismatch(op, "points", "at most " + std::to_string(median_flow_most) + " points", values[0]));
  const AgreedWithin within{number(op, "centre_x", values[3]), number(op, "centre_y", values[4]),
                            at_least("far", 0, values[5]), at_least("most_error", 0, values[6]),
                            at_least("apart", 0, values[7])};
  const Scratch scratch(op, median_flow_scratch_bytes(count));
  const FlowPoints given{count, static_cast<const float*>(points.data()),
                         static_cast<float*>(const_cast<void*>(there.data())),
                         static_cast<float*>(const_cast<void*>(error.data()))};
  MedianFlow agreed{};
  {
    const Unlocked unlocked(static_cast<double>(count) * static_cast<double>(count) * 5);
    agreed = median_flow(given, within, scratch.get());
  }
  return py::make_tuple(agreed.dx, agreed.dy, agreed.scale, agreed.returned, agreed.together);
}

}  // namespace edgefer
