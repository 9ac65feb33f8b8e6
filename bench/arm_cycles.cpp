// Runs one kernel once, for arm_cycles.py: `arm_cycles WORK VARIANT ROWS`, on a CPU that has the variant. Prints how
// many units of work (pixels written, or multiply-accumulates) the call did. Whatever runs between arm_cycles_begin and
// arm_cycles_end is the kernel's.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/dispatch.h"

extern "C" __attribute__((noinline)) void arm_cycles_begin() { asm volatile("" ::: "memory"); }
extern "C" __attribute__((noinline)) void arm_cycles_end() { asm volatile("" ::: "memory"); }

namespace {

using namespace edgefer;

constexpr std::ptrdiff_t width = 640;

template <class Fn> Fn* kernel(const char* op, const std::string& variant) {
  return std::get<Fn*>(named_row(op, variant).function);
}

template <class T> std::vector<T> noise(std::ptrdiff_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  std::uint32_t state = 1;
  for (T& value : values) value = static_cast<T>((state = state * 1664525u + 1013904223u) >> 24);
  return values;
}

// Room for `count` values, on a page of its own.
template <class T> T* room(std::ptrdiff_t count) {
  const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + 4095) / 4096 * 4096;
  return static_cast<T*>(std::memset(std::aligned_alloc(4096, bytes), 0, bytes));
}

template <class Call> __attribute__((noinline)) void measured(Call call) {  // instructions.py counts inside it
  arm_cycles_begin();
  call();
  arm_cycles_end();
}

std::ptrdiff_t run(const std::string& work, const std::string& variant, std::ptrdiff_t rows) {
  const std::ptrdiff_t pixels = rows * width;
  const auto image_of = [&](std::ptrdiff_t channels) {
    static std::vector<std::uint8_t> bytes;
    bytes = noise<std::uint8_t>((rows + 1) * width * channels);
    return ImageU8{bytes.data(), rows, width * channels, width * channels};
  };
  const auto s16 = [&] { return OutputS16{room<std::int16_t>(pixels), rows, width, width}; };
  const auto u8 = [&] { return OutputU8{room<std::uint8_t>(pixels), rows, width, width}; };

  if (work == "sobel") {
    const auto call = kernel<SobelFn>("sobel", variant);
    const ImageU8 image = image_of(1);
    const OutputS16 gx = s16(), gy = s16();
    measured([&] { call(image, Border::reflect101, gx, gy); });
    return pixels;
  }
  if (work == "laplacian" || work == "laplacian, aperture 3") {
    const auto call = kernel<LaplacianFn>("laplacian", variant);
    const ImageU8 image = image_of(1);
    const OutputS16 out = s16();
    const int aperture = work == "laplacian" ? 1 : 3;
    measured([&] { call(image, aperture, Border::reflect101, out); });
    return pixels;
  }
  if (work == "gradients") {
    const auto call = kernel<GradientsFn>("gradients", variant);
    const ImageU8 image = image_of(1);
    const OutputS16 gx = s16(), gy = s16(), laplacian = s16();
    measured([&] { call(image, 1, Border::reflect101, gx, gy, laplacian); });
    return pixels;
  }
  if (work == "shi_tomasi" || work == "shi_tomasi, block 7") {
    const auto call = kernel<ShiTomasiFn>("shi_tomasi", variant);
    const int block_size = work == "shi_tomasi" ? 3 : 7;
    const ImageU8 image = image_of(1);
    const OutputF32 score = {room<float>(pixels), rows, width, width};
    auto* scratch = room<char>(static_cast<std::ptrdiff_t>(shi_tomasi_scratch_bytes(width, block_size)));
    measured([&] { call(image, block_size, Border::reflect101, score, scratch); });
    return pixels;
  }
  if (work == "flow") {  // of `rows` points, as the tracker asks for
    const auto call = kernel<FlowFn>("flow", variant);
    constexpr std::ptrdiff_t side = 82;
    std::vector<std::uint8_t> images[2];
    for (int i = 0; i < 2; ++i)
      for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x)
          images[i].push_back(static_cast<std::uint8_t>(128 + 60 * std::sin(0.4 * x - 0.9 * i) +
                                                        60 * std::cos(0.3 * y + 0.1 * x + 0.5 * i)));
    std::vector<float> points, there(2 * rows), error(rows);
    for (std::ptrdiff_t i = 0; i < rows; ++i) points.insert(points.end(), {20.25f + 3.5f * i, 44.5f - 2.25f * i});
    auto* scratch = room<char>(static_cast<std::ptrdiff_t>(flow_scratch_bytes(side, side, 13, 3)));
    const ImageU8 before = {images[0].data(), side, side, side}, after = {images[1].data(), side, side, side};
    measured([&] { call(before, after, {rows, points.data(), there.data(), error.data()}, 13, 3, scratch); });
    return rows;
  }
  if (work == "luma yuyv" || work == "luma bgr") {
    const auto call = kernel<LumaFn>("luma", variant);
    const bool yuyv = work == "luma yuyv";
    const ImageU8 image = image_of(yuyv ? 2 : 3);
    const OutputU8 out = u8();
    measured([&] { call(image, yuyv ? LumaFormat::yuyv : LumaFormat::bgr, out); });
    return pixels;
  }
  if (work == "crop_resize 200 to 64" || work == "crop_resize 32 to 64" || work == "stack 200 to 64") {
    const double side = work == "crop_resize 32 to 64" ? 32 : 200;  // of the box; `rows` of 64 rows are made
    AxisTable columns, lines;
    resize_axis(20, 20 + side, width, 64, ResizeMethod::automatic, columns);
    resize_axis(2, 2 + side * rows / 64, 240, rows, ResizeMethod::automatic, lines);
    const std::vector<std::uint8_t> bytes = noise<std::uint8_t>(240 * width);
    const ImageU8 image = {bytes.data(), 240, width, width};
    auto* scratch = room<char>(static_cast<std::ptrdiff_t>(stack_scratch_bytes(columns.view())));
    if (work == "stack 200 to 64") {
      const auto call = kernel<StackFn>("stack", variant);
      StackPlan plan = {4, {Channel::grey, Channel::gx, Channel::gy, Channel::laplacian}, {}, {}};
      for (int c = 0; c < 4; ++c) plan.multipliers[c] = 0.25f, plan.offsets[c] = -3.0f;
      auto* out = room<std::int8_t>(rows * 64 * 4);
      measured([&] { call(image, columns.view(), lines.view(), plan, out, scratch); });
    } else {
      const auto call = kernel<CropResizeFn>("crop_resize", variant);
      const OutputU8 out = {room<std::uint8_t>(rows * 64), rows, 64, 64};
      measured([&] { call(image, columns.view(), lines.view(), out, scratch); });
    }
    return rows * 64;
  }
  constexpr std::ptrdiff_t inputs = 256;  // of a layer with `rows` outputs
  if (work == "fully_connected") {
    const auto call = kernel<FullyConnectedFn>("fully_connected", variant);
    const auto x = noise<float>(inputs), weights = noise<float>(inputs * (rows + panel)),
               bias = noise<float>(rows + panel);
    auto* y = room<float>(rows + panel);
    measured([&] { call(x.data(), 1, inputs, weights.data(), bias.data(), rows, y); });
    return inputs * rows;
  }
  if (work == "fully_connected_int8") {
    const auto call = kernel<FullyConnectedS8Fn>("fully_connected_int8", variant);
    const auto x = noise<std::int8_t>(inputs), weights = noise<std::int8_t>(inputs * rows);
    const auto bias = noise<std::int32_t>(rows);
    const std::vector<std::int32_t> multipliers(rows, 1 << 30), shifts(rows, -8);
    const Requantisation requantisation = {3, -5, multipliers.data(), shifts.data(), -128, 127};
    auto* y = room<std::int8_t>(rows);
    measured([&] { call(x.data(), 1, inputs, weights.data(), bias.data(), rows, requantisation, y); });
    return inputs * rows;
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  try {
    const std::ptrdiff_t units = run(arguments[1], arguments[2], std::atoi(arguments[3]));
    std::printf("%td\n", units);
    return units > 0 ? 0 : 2;
  } catch (const std::invalid_argument&) {
    return 3;  // no such variant
  }
}
