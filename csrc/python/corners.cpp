// shi_tomasi and good_corners for Python.
#include <cmath>

#include "python/bindings.h"

namespace edgefer {
namespace {

int checked_block_size(const char* op, py::handle block_size) {
  const py::ssize_t size = integer(op, "block_size", block_size);
  if (size < 3 || size > 15 || size % 2 == 0)
    throw py::value_error(std::string(op) + ": block_size must be odd, 3 to 15, got " + std::to_string(size));
  return static_cast<int>(size);
}

// Nanoseconds a pixel, for the GIL.
constexpr double score = 0.5;

}  // namespace

py::object shi_tomasi(PyObject* const* values) {
  const py::handle image = values[0], block_size = values[1], border = values[2], out = values[3];
  static const Kernel<ShiTomasiFn> kernel{"shi_tomasi"};
  ShiTomasiFn* const run = kernel.get();
  const auto input = plane<const std::uint8_t>("shi_tomasi", "image", image);
  const int block = checked_block_size("shi_tomasi", block_size);
  const Border edge = border_named("shi_tomasi", border);
  auto target = result<float>("shi_tomasi", "out", out, input.height, input.width, input);
  const Scratch scratch("shi_tomasi", shi_tomasi_scratch_bytes(input.width, block));
  {
    const Unlocked unlocked(pixels(input) * score);
    run(input, block, edge, target.plane, scratch.get());
  }
  return std::move(target.array);
}

py::object good_corners(PyObject* const* values) {
  const py::handle image = values[0], mask = values[4];
  static const Kernel<GoodCornersFn> kernel{"good_corners"};
  GoodCornersFn* const run = kernel.get();
  const auto input = plane<const std::uint8_t>("good_corners", "image", image);
  if (input.height > INT32_MAX / input.width)
    throw py::value_error("good_corners: image must have fewer than 2^31 pixels, got " + described(image));
  const py::ssize_t max_corners = integer("good_corners", "max_corners", values[1]);
  const double quality_level = number("good_corners", "quality_level", values[2]);
  const double min_distance = number("good_corners", "min_distance", values[3]);
  if (max_corners < 0)
    throw py::value_error("good_corners: max_corners must be 0 (no limit) or more, got " + std::to_string(max_corners));
  if (!(quality_level > 0) || std::isinf(quality_level))
    throw py::value_error("good_corners: quality_level must be above 0, got " + short_number(quality_level));
  if (!(min_distance >= 0) || std::isinf(min_distance))
    throw py::value_error("good_corners: min_distance must be 0 or more, got " + short_number(min_distance));
  const int block = checked_block_size("good_corners", values[5]);
  ImageU8 allowed{nullptr, input.height, input.width, 0};
  if (!mask.is_none()) {
    allowed = plane<const std::uint8_t>("good_corners", "mask", mask);
    if (allowed.height != input.height || allowed.width != input.width)
      throw py::value_error(mismatch("good_corners", "mask", "uint8 with the shape of image", mask));
  }
  const Scratch scratch("good_corners", good_corners_scratch_bytes(input.height, input.width, block));
  py::ssize_t count = 0;
  {
    const Unlocked unlocked(pixels(input) * score);
    count = run(input, allowed, {max_corners, quality_level, min_distance, block}, scratch.get());
  }
  py::array points = fresh<float>({count, 2});
  auto* xy = static_cast<float*>(points.mutable_data());
  const auto* corners = static_cast<const Corner*>(scratch.get());
  for (py::ssize_t i = 0; i < count; ++i) {
    xy[2 * i] = static_cast<float>(corners[i].x);
    xy[2 * i + 1] = static_cast<float>(corners[i].y);
  }
  return points;
}

}  // namespace edgefer
