// luma for Python.
#include "python/bindings.h"

namespace edgefer {
namespace {

// A (H, W, depth) array as a plane of H rows of depth * W elements, its two last axes contiguous.
template <class T> Plane<T> interleaved_plane(const char* op, const char* name, py::handle object, py::ssize_t depth) {
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

}  // namespace

py::object luma(PyObject* const* values) {
  const py::handle image = values[0], format = values[1], out = values[2];
  static const Kernel<LumaFn> kernel{"luma"};
  LumaFn* const run = kernel.get();
  const LumaFormat kind =
      chosen<LumaFormat>("luma", "format", text("luma", "format", format),
                         {{"yuyv", LumaFormat::yuyv}, {"nv12", LumaFormat::nv12}, {"bgr", LumaFormat::bgr}});
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
  auto grey = result<std::uint8_t>("luma", "out", out, height, width, input);
  {
    const Unlocked unlocked(pixels(grey.plane) * 0.1);
    run(input, kind, grey.plane);
  }
  return std::move(grey.array);
}

}  // namespace edgefer
