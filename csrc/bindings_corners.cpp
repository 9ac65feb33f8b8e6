// shi_tomasi and good_corners as Python functions.
#include <cmath>

#include "bindings.h"

namespace edgefer {
namespace {

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

}  // namespace

void bind_corners(py::module_& m) {
  m.def("shi_tomasi", &shi_tomasi);
  m.def("good_corners", &good_corners);
}

}  // namespace edgefer
