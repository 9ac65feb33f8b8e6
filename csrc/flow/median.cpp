#include <algorithm>
#include <cmath>

#include "flow/flow.h"

namespace edgefer {
namespace {

// The middle one, or the mean of the two in the middle; puts the values into another order.
double median(double* values, std::ptrdiff_t count) {
  double* const middle = values + count / 2;
  std::nth_element(values, middle, values + count);
  return count % 2 ? *middle : (*std::max_element(values, middle) + *middle) / 2;
}

std::ptrdiff_t pairs_of(std::ptrdiff_t count) { return count * (count - 1) / 2; }

}  // namespace

std::size_t median_flow_scratch_bytes(std::ptrdiff_t count) {
  // the points that count and how they moved; the values of a median
  return static_cast<std::size_t>(6 * count + std::max(pairs_of(count), count)) * sizeof(double);
}

MedianFlow median_flow(FlowPoints points, AgreedWithin within, void* scratch) {
  auto* const x0 = static_cast<double*>(scratch);
  double *const y0 = x0 + points.count, *const x1 = y0 + points.count, *const y1 = x1 + points.count;
  double *const dx = y1 + points.count, *const dy = dx + points.count, *const values = dy + points.count;
  std::ptrdiff_t count = 0;
  for (std::ptrdiff_t i = 0; i < points.count; ++i) {
    const float* const from = points.points + 2 * i;
    const float* const to = points.there + 2 * i;
    const bool known = std::isfinite(from[0]) && std::isfinite(from[1]) && std::isfinite(to[0]) && std::isfinite(to[1]);
    if (!known || !(static_cast<double>(points.error[i]) < within.most_error)) continue;
    x0[count] = static_cast<double>(from[0]) - within.centre_x;
    y0[count] = static_cast<double>(from[1]) - within.centre_y;
    x1[count] = static_cast<double>(to[0]) - within.centre_x;
    y1[count] = static_cast<double>(to[1]) - within.centre_y;
    ++count;
  }
  if (count == 0) return {0, 0, 1, 0, 0};

  std::ptrdiff_t pairs = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i)
    for (std::ptrdiff_t j = i + 1; j < count; ++j) {
      const double ax = x0[i] - x0[j], ay = y0[i] - y0[j], before = ax * ax + ay * ay;
      if (!(before > within.far * within.far)) continue;
      const double bx = x1[i] - x1[j], by = y1[i] - y1[j];
      values[pairs++] = (bx * bx + by * by) / before;
    }
  // the roots are in the order of their squares, so that one or two of them will do
  double scale = 1;
  if (pairs > 0) {
    double* const middle = values + pairs / 2;
    std::nth_element(values, middle, values + pairs);
    scale = std::sqrt(*middle);
    if (pairs % 2 == 0) scale = (std::sqrt(*std::max_element(values, middle)) + scale) / 2;
  }

  for (std::ptrdiff_t i = 0; i < count; ++i) {
    dx[i] = x1[i] - x0[i] * scale;
    dy[i] = y1[i] - y0[i] * scale;
  }
  const auto middle_of = [&](const double* of) {
    std::copy_n(of, count, values);
    return median(values, count);
  };
  const double shift_x = middle_of(dx), shift_y = middle_of(dy);
  std::ptrdiff_t together = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const double x = dx[i] - shift_x, y = dy[i] - shift_y;
    together += x * x + y * y < within.apart * within.apart;
  }
  return {shift_x, shift_y, scale, count, together};
}

}  // namespace edgefer
