// sobel, laplacian and gradients for Python.
#include "python/bindings.h"

namespace edgefer {
namespace {

int checked_aperture(const char* op, py::handle aperture) {
  const py::ssize_t size = integer(op, "aperture", aperture);
  if (size != 1 && size != 3)
    throw py::value_error(std::string(op) + ": aperture must be 1 or 3, got " + std::to_string(size));
  return static_cast<int>(size);
}

// Nanoseconds a pixel, for the GIL.
constexpr double one_pass = 0.15;

}  // namespace

py::object sobel(PyObject* const* values) {
  const py::handle image = values[0], border = values[1], out = values[2];
  static const Kernel<SobelFn> kernel{"sobel"};
  SobelFn* const run = kernel.get();
  const auto input = plane<const std::uint8_t>("sobel", "image", image);
  const Border edge = border_named("sobel", border);
  const py::ssize_t height = input.height, width = input.width;
  const auto gx = result<std::int16_t>("sobel", "out[0]", output("sobel", out, 2, 0), height, width, input);
  const auto gy = result<std::int16_t>("sobel", "out[1]", output("sobel", out, 2, 1), height, width, input);
  check_apart("sobel", gx.plane, gy.plane);
  {
    const Unlocked unlocked(pixels(input) * one_pass);
    run(input, edge, gx.plane, gy.plane);
  }
  if (!out.is_none()) return py::reinterpret_borrow<py::object>(out);
  return py::make_tuple(gx.array, gy.array);
}

py::object laplacian(PyObject* const* values) {
  const py::handle image = values[0], aperture = values[1], border = values[2], out = values[3];
  static const Kernel<LaplacianFn> kernel{"laplacian"};
  LaplacianFn* const run = kernel.get();
  const auto input = plane<const std::uint8_t>("laplacian", "image", image);
  const int size = checked_aperture("laplacian", aperture);
  const Border edge = border_named("laplacian", border);
  auto target = result<std::int16_t>("laplacian", "out", out, input.height, input.width, input);
  {
    const Unlocked unlocked(pixels(input) * one_pass);
    run(input, size, edge, target.plane);
  }
  return std::move(target.array);
}

py::object gradients(PyObject* const* values) {
  const py::handle image = values[0], aperture = values[1], border = values[2], out = values[3];
  static const Kernel<GradientsFn> kernel{"gradients"};
  GradientsFn* const run = kernel.get();
  const auto input = plane<const std::uint8_t>("gradients", "image", image);
  const int size = checked_aperture("gradients", aperture);
  const Border edge = border_named("gradients", border);
  const py::ssize_t height = input.height, width = input.width;
  const auto target = [&](const char* name, py::ssize_t index) {
    return result<std::int16_t>("gradients", name, output("gradients", out, 3, index), height, width, input);
  };
  const auto gx = target("out[0]", 0), gy = target("out[1]", 1), second = target("out[2]", 2);
  check_apart("gradients", gx.plane, gy.plane);
  check_apart("gradients", gx.plane, second.plane);
  check_apart("gradients", gy.plane, second.plane);
  {
    const Unlocked unlocked(pixels(input) * one_pass);
    run(input, size, edge, gx.plane, gy.plane, second.plane);
  }
  if (!out.is_none()) return py::reinterpret_borrow<py::object>(out);
  return py::make_tuple(gx.array, gy.array, second.array);
}

}  // namespace edgefer
