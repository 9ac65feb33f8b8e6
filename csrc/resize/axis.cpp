#include <algorithm>
#include <cstring>  // memset

#include "resize/resize.h"

namespace edgefer {
namespace {

constexpr std::int32_t one = 1 << 14;

// To the nearest integer, a half upwards; of a weight, so never negative.
std::int32_t rounded(double weight) { return static_cast<std::int32_t>(weight + 0.5); }

// Coordinates are far within s32, so that truncation, which is one instruction, can do the work of floor and ceil.
std::int32_t floor_of(double value) {
  const auto whole = static_cast<std::int32_t>(value);
  return whole - (value < whole);
}
std::int32_t ceil_of(double value) {
  const auto whole = static_cast<std::int32_t>(value);
  return whole + (value > whole);
}

// What a destination pixel is made of; its weights, and zeros up to the next multiple of eight, go to `weights`.
struct Taps {
  std::int32_t start, count;
};

Taps area_taps(double a, double b, std::int32_t last_pixel, std::int16_t* weights) {
  const std::int32_t first = std::clamp(floor_of(a), 0, last_pixel);
  const std::int32_t last = std::clamp(ceil_of(b) - 1, first, last_pixel);
  const std::int32_t count = last - first + 1;
  std::memset(weights, 0, sizeof *weights * 8);
  // Rounding the share up to each pixel's end, not each share, makes the weights add up to one exactly.
  const double length = b - a;
  std::int32_t before = 0;
  for (std::int32_t k = 0; k < count - 1; ++k) {
    const std::int32_t up_to = rounded((first + (k + 1) - a) / length * one);
    weights[k] = static_cast<std::int16_t>(up_to - before);
    before = up_to;
  }
  weights[count - 1] = static_cast<std::int16_t>(one - before);
  if (count > 8)
    for (std::int32_t k = count; k % 8 != 0; ++k) weights[k] = 0;
  return {first, count};
}

Taps bilinear_taps(double at, std::int32_t last_pixel, std::int16_t* weights) {
  at = std::clamp(at, 0.0, static_cast<double>(last_pixel));
  const std::int32_t left = floor_of(at);
  const std::int32_t right_weight = rounded((at - left) * one);
  std::memset(weights, 0, sizeof *weights * 8);
  weights[0] = static_cast<std::int16_t>(one - right_weight);
  weights[1] = static_cast<std::int16_t>(right_weight);
  return {left, right_weight > 0 ? 2 : 1};
}

}  // namespace

void resize_axis(double low, double high, std::ptrdiff_t source, std::ptrdiff_t size, ResizeMethod method,
                 AxisTable& table) {
  const double step = (high - low) / static_cast<double>(size);
  const bool area = method == ResizeMethod::area || (method == ResizeMethod::automatic && step > 1);
  const auto places = static_cast<std::size_t>(size);
  if (table.start.size() < places) {
    table.start.resize(places);
    table.count.resize(places);
    table.first.resize(places);
  }
  // Intervals share at most their end pixels, and each pixel's weights end at a multiple of eight.
  const std::size_t most_weights = 16 * places + (area ? static_cast<std::size_t>(source) + places : 0);
  if (table.weights.size() < most_weights) table.weights.resize(most_weights);

  table.size = size;
  // Every destination pixel the mean of two or four whole pixels: nothing to be computed.
  const bool whole = low >= 0 && high <= static_cast<double>(source) && low == floor_of(low);
  table.factor = area && whole && (step == 2 || step == 4) ? static_cast<std::int32_t>(step) : 0;
  if (table.factor != 0) {
    for (std::int32_t i = 0; i < size; ++i) {
      table.start[i] = table.factor * i;
      table.count[i] = table.factor;
      table.first[i] = 8 * i;
      for (std::int32_t k = 0; k < 8; ++k)
        table.weights[8 * i + k] = static_cast<std::int16_t>(k < table.factor ? one / table.factor : 0);
    }
    table.begin = floor_of(low);
    table.end = table.begin + table.factor * size;
    table.most = table.factor;
    return;
  }
  const auto last_pixel = static_cast<std::int32_t>(source - 1);
  std::int32_t first = 0;
  table.most = 0;
  for (std::ptrdiff_t i = 0; i < size; ++i) {
    std::int16_t* weights = table.weights.data() + first;
    const double at = static_cast<double>(i);
    const auto [start, count] = area ? area_taps(low + at * step, low + (at + 1) * step, last_pixel, weights)
                                     : bilinear_taps(low + (at + 0.5) * step - 0.5, last_pixel, weights);
    table.start[i] = start;
    table.count[i] = count;
    table.first[i] = first;
    table.most = std::max(table.most, count);
    first += (count + 7) / 8 * 8;
  }
  table.begin = table.start[0];
  table.end = table.start[size - 1] + table.count[size - 1];
  for (std::ptrdiff_t i = 0; i < size; ++i) table.start[i] -= static_cast<std::int32_t>(table.begin);
}

void* ResizeMemory::scratch(std::size_t bytes) {
  constexpr std::size_t alignment = 64;
  if (bytes_.size() < bytes + alignment) bytes_.resize(bytes + alignment);
  return bytes_.data() + (alignment - reinterpret_cast<std::uintptr_t>(bytes_.data()) % alignment) % alignment;
}

ResizeMemory& resize_memory_of_this_thread() {
  thread_local ResizeMemory memory;
  return memory;
}

}  // namespace edgefer
