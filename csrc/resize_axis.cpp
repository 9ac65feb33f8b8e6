#include "resize_axis.h"

#include <algorithm>
#include <cmath>

namespace edgefer {
namespace {

constexpr double one = 1 << 14;

// To the nearest integer, a half upwards; of a weight, so never negative.
std::int32_t rounded(double weight) { return static_cast<std::int32_t>(weight + 0.5); }

// Notes a destination pixel made of source pixels first to first + count - 1, and makes room for its weights.
std::int16_t* appended(AxisTable& table, double first, std::int32_t count) {
  const std::size_t at = table.weights.size();
  table.start.push_back(static_cast<std::int32_t>(first));
  table.count.push_back(count);
  table.first.push_back(static_cast<std::int32_t>(at));
  table.weights.resize(at + static_cast<std::size_t>(count + 7) / 8 * 8);
  return table.weights.data() + at;
}

void append_area(AxisTable& table, double a, double b, std::ptrdiff_t source) {
  const double last_pixel = static_cast<double>(source - 1);
  const double first = std::clamp(std::floor(a), 0.0, last_pixel);
  const double last = std::clamp(std::ceil(b) - 1, first, last_pixel);
  const auto count = static_cast<std::int32_t>(last - first) + 1;
  std::int16_t* weights = appended(table, first, count);
  // Rounding the share up to each pixel's end, not each share, makes the weights add up to one exactly.
  std::int32_t before = 0;
  for (std::int32_t k = 0; k < count; ++k) {
    const std::int32_t up_to = k + 1 < count ? rounded((first + (k + 1) - a) / (b - a) * one) : rounded(one);
    weights[k] = static_cast<std::int16_t>(up_to - before);
    before = up_to;
  }
}

void append_bilinear(AxisTable& table, double at, std::ptrdiff_t source) {
  at = std::clamp(at, 0.0, static_cast<double>(source - 1));
  const double left = std::floor(at);
  const std::int32_t right_weight = rounded((at - left) * one);
  std::int16_t* weights = appended(table, left, right_weight > 0 ? 2 : 1);
  weights[0] = static_cast<std::int16_t>(rounded(one) - right_weight);
  if (right_weight > 0) weights[1] = static_cast<std::int16_t>(right_weight);
}

}  // namespace

AxisTable resize_axis(double low, double high, std::ptrdiff_t source, std::ptrdiff_t size, ResizeMethod method) {
  AxisTable table;
  const double step = (high - low) / static_cast<double>(size);
  const bool area = method == ResizeMethod::area || (method == ResizeMethod::automatic && step > 1);
  table.start.reserve(size);
  table.count.reserve(size);
  table.first.reserve(size);
  table.weights.reserve(8 * size + (area ? source : 0));
  table.begin = source;
  for (std::ptrdiff_t i = 0; i < size; ++i) {
    if (area) {
      append_area(table, low + static_cast<double>(i) * step, low + static_cast<double>(i + 1) * step, source);
    } else {
      append_bilinear(table, low + (static_cast<double>(i) + 0.5) * step - 0.5, source);
    }
    table.most = std::max(table.most, table.count.back());
    table.begin = std::min<std::ptrdiff_t>(table.begin, table.start.back());
    table.end = std::max<std::ptrdiff_t>(table.end, table.start.back() + table.count.back());
  }
  for (std::int32_t& start : table.start) start -= static_cast<std::int32_t>(table.begin);
  return table;
}

}  // namespace edgefer
