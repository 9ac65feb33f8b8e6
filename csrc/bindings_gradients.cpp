// sobel, laplacian and gradients as Python functions.
#include "bindings.h"

namespace edgefer {
namespace {

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

}  // namespace

void bind_gradients(py::module_& m) {
  m.def("sobel", &sobel);
  m.def("laplacian", &laplacian);
  m.def("gradients", &gradients);
}

}  // namespace edgefer
