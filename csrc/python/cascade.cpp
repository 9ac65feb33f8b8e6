// Cascades and their operation for Python.
#include <memory>

#include "python/bindings.h"

namespace edgefer {
namespace {

constexpr const char* op = "cascade";

template <class T> py::array shaped(const char* name, py::handle object, std::initializer_list<py::ssize_t> shape) {
  std::string written;
  for (const py::ssize_t size : shape)
    written += (written.empty() ? "(" : ", ") + (size < 0 ? std::string("N") : std::to_string(size));
  written += shape.size() == 1 ? ",)" : ")";
  auto array = checked_contiguous<T>(op, name, written.c_str(), static_cast<py::ssize_t>(shape.size()), object);
  py::ssize_t axis = 0;
  for (const py::ssize_t size : shape)
    if (const py::ssize_t got = array.shape(axis++); size >= 0 && got != size)
      throw py::value_error(mismatch(op, name, std::string(dtype_name<T>()) + " with shape " + written, object));
  return array;
}

std::unique_ptr<CascadeModel> checked_model(int width, int height, py::handle rectangles, py::handle weights,
                                            py::handle thresholds, py::handle leaves, py::handle stages,
                                            py::handle stage_thresholds) {
  const auto corners = shaped<std::int8_t>("rectangles", rectangles, {-1, 2, 3, 4});
  const py::ssize_t trees = corners.shape(0);
  const auto factors = shaped<float>("weights", weights, {trees, 2, 3});
  const auto limits = shaped<float>("thresholds", thresholds, {trees, 2});
  const auto values = shaped<float>("leaves", leaves, {trees, 4});
  const auto counts = shaped<std::int32_t>("stages", stages, {-1});
  const auto stage_limits = shaped<float>("stage_thresholds", stage_thresholds, {counts.shape(0)});
  return std::make_unique<CascadeModel>(CascadeArrays{
      width, height, trees, static_cast<const std::int8_t*>(corners.data()), static_cast<const float*>(factors.data()),
      static_cast<const float*>(limits.data()), static_cast<const float*>(values.data()), counts.shape(0),
      static_cast<const std::int32_t*>(counts.data()), static_cast<const float*>(stage_limits.data())});
}

// Nanoseconds a window, for the GIL.
constexpr double judgement = 20;

}  // namespace

void define_cascade(py::module_& m) {
  py::class_<CascadeModel>(m, "Cascade")
      .def(py::init(&checked_model), py::arg("width"), py::arg("height"), py::arg("rectangles"), py::arg("weights"),
           py::arg("thresholds"), py::arg("leaves"), py::arg("stages"), py::arg("stage_thresholds"))
      .def_property_readonly("width", [](const CascadeModel& model) { return model.cascade().width; })
      .def_property_readonly("height", [](const CascadeModel& model) { return model.cascade().height; });
}

py::object cascade(PyObject* const* values) {
  static const Kernel<CascadeFn> kernel{op};
  CascadeFn* const run = kernel.get();
  const py::handle image = values[0], given = values[1];
  const auto input = plane<const std::uint8_t>(op, "image", image);
  if (input.width > cascade_max_width || input.height > INT32_MAX / input.width)
    throw py::value_error(
        mismatch(op, "image", "at most " + std::to_string(cascade_max_width) + " wide, and below 2^31 pixels", image));
  if (!py::isinstance<CascadeModel>(given)) throw py::type_error(mismatch(op, "model", "a Cascade", given));
  const Cascade& model = py::cast<const CascadeModel&>(given).cascade();
  const py::ssize_t step = integer(op, "step", values[2]);
  if (step != 1 && step != 2) throw py::value_error("cascade: step must be 1 or 2, got " + std::to_string(step));
  if (input.width < model.width || input.height < model.height) return fresh<std::int32_t>({0, 2});
  const int apart = static_cast<int>(step);
  const Scratch scratch(op, cascade_scratch_bytes(input.height, input.width, model, apart));
  py::ssize_t count = 0;
  {
    const Unlocked unlocked(pixels(input) / static_cast<double>(apart * apart) * judgement);
    count = run(input, model, apart, scratch.get());
  }
  py::array windows = fresh<std::int32_t>({count, 2});
  static_assert(sizeof(Corner) == 2 * sizeof(std::int32_t));
  std::copy_n(static_cast<const Corner*>(scratch.get()), count, static_cast<Corner*>(windows.mutable_data()));
  return windows;
}

}  // namespace edgefer
