#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "flow/flow.h"

namespace edgefer {
namespace {

struct Level {
  std::uint8_t* origin;  // pixel (0, 0), inside its margin
  std::ptrdiff_t height, width, stride;
};

struct Pyramid {
  int levels;
  Level level[flow_max_levels];
};

struct Place {
  double x, y;
};

// A window around a point inside the image reaches so far beyond the edge: half of it, one more for its gradients and
// one for the right neighbour of a sample. SIMD reads on to the seventeenth pixel of each row.
std::ptrdiff_t margin(int window) { return window / 2 + 2; }
std::ptrdiff_t padded_width(std::ptrdiff_t width, int window) { return width + 2 * margin(window) + flow_row; }
std::ptrdiff_t padded_height(std::ptrdiff_t height, int window) { return height + 2 * margin(window); }

std::size_t pyramid_bytes(std::ptrdiff_t height, std::ptrdiff_t width, int window, int levels) {
  std::size_t bytes = 0;
  for (int k = 0; k < levels; ++k)
    bytes += static_cast<std::size_t>(padded_height(height >> k, window)) *
             static_cast<std::size_t>(padded_width(width >> k, window));
  return bytes;
}

void extend_edges(const Level& level, int window) {
  const std::ptrdiff_t around = margin(window);
  for (std::ptrdiff_t y = 0; y < level.height; ++y) {
    std::uint8_t* row = level.origin + y * level.stride;
    std::memset(row - around, row[0], static_cast<std::size_t>(around));
    std::memset(row + level.width, row[level.width - 1], static_cast<std::size_t>(around + flow_row));
  }
  const auto bytes = static_cast<std::size_t>(level.stride);
  const std::uint8_t* first = level.origin - around;
  const std::uint8_t* last = first + (level.height - 1) * level.stride;
  for (std::ptrdiff_t i = 1; i <= around; ++i) {
    std::memcpy(level.origin - around - i * level.stride, first, bytes);
    std::memcpy(level.origin - around + (level.height - 1 + i) * level.stride, last, bytes);
  }
}

void halve(const Level& from, const Level& to) {
  for (std::ptrdiff_t y = 0; y < to.height; ++y) {
    const std::uint8_t* upper = from.origin + 2 * y * from.stride;
    const std::uint8_t* lower = upper + from.stride;
    std::uint8_t* out = to.origin + y * to.stride;
    for (std::ptrdiff_t x = 0; x < to.width; ++x)
      out[x] = static_cast<std::uint8_t>((upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1] + 2) >> 2);
  }
}

Pyramid pyramid(ImageU8 image, int window, int levels, std::uint8_t* memory) {
  Pyramid built{levels, {}};
  for (int k = 0; k < levels; ++k) {
    const std::ptrdiff_t height = image.height >> k, width = image.width >> k;
    const std::ptrdiff_t stride = padded_width(width, window);
    Level& level = built.level[k] = {memory + margin(window) * (stride + 1), height, width, stride};
    memory += padded_height(height, window) * stride;
    if (k > 0)
      halve(built.level[k - 1], level);
    else
      for (std::ptrdiff_t y = 0; y < height; ++y)
        std::memcpy(level.origin + y * stride, image.data + y * image.row_stride, static_cast<std::size_t>(width));
    extend_edges(level, window);
  }
  return built;
}

// The pixel left above a sample, and the weights of the four around it.
struct Sample {
  const std::uint8_t* pixels;
  FlowWeights weights;
};

// Without SSE4.1, std::floor is a call.
std::ptrdiff_t floor_of(double value) {
  const auto whole = static_cast<std::ptrdiff_t>(value);
  return whole - (value < static_cast<double>(whole));
}

Sample sample_at(const Level& level, Place place, int reach) {
  const double left = place.x - reach, top = place.y - reach;
  const std::ptrdiff_t column = floor_of(left), row = floor_of(top);
  const double a = left - static_cast<double>(column), b = top - static_cast<double>(row);
  const auto weight = [](double part) { return static_cast<int>(part * (1 << 14) + 0.5); };
  const int here = weight((1 - a) * (1 - b)), right = weight(a * (1 - b)), below = weight((1 - a) * b);
  // Three roundings up can leave -1 for the last.
  const int diagonal = std::max(0, (1 << 14) - here - right - below);
  return {level.origin + row * level.stride + column,
          {static_cast<std::int16_t>(here), static_cast<std::int16_t>(right), static_cast<std::int16_t>(below),
           static_cast<std::int16_t>(diagonal)}};
}

bool inside(const Level& level, Place place) {
  return place.x >= 0 && place.y >= 0 && place.x <= static_cast<double>(level.width - 1) &&
         place.y <= static_cast<double>(level.height - 1);
}

Place clamped(const Level& level, Place place) {
  return {std::clamp(place.x, 0.0, static_cast<double>(level.width - 1)),
          std::clamp(place.y, 0.0, static_cast<double>(level.height - 1))};
}

// The centre of pixel x of level 0 lies at (x + 0.5) / 2^k - 0.5 of level k.
Place at_level(Place place, int k) {
  const double side = 1 << k;
  return {(place.x + 0.5) / side - 0.5, (place.y + 0.5) / side - 0.5};
}
Place from_level(Place place, int k) {
  const double side = 1 << k;
  return {(place.x + 0.5) * side - 0.5, (place.y + 0.5) * side - 0.5};
}

// Smallest eigenvalue of the window's mean structure tensor, (grey levels per pixel)^2, below which it has no texture.
constexpr double least_texture = 0.01;
constexpr double small_step = 0.01;  // pixels

// The place in `to` of a point of `from`; false when it is lost.
bool follow(const Pyramid& from, const Pyramid& to, Place point, int window, const FlowSteps& steps, Place& match) {
  alignas(32) std::int16_t samples[(flow_max_window + 3) * flow_row];  // a row more, that SIMD may read
  alignas(32) std::int16_t target[flow_max_window * flow_row];
  alignas(32) std::int16_t gx[flow_max_window * flow_row];
  alignas(32) std::int16_t gy[flow_max_window * flow_row];
  const int half = window / 2;
  match = point;
  for (int k = from.levels - 1; k >= 0; --k) {
    const Level &source = from.level[k], &goal = to.level[k];
    const Sample around = sample_at(source, clamped(source, at_level(point, k)), half + 1);
    steps.sample(around.pixels, source.stride, around.weights, window + 2, samples);
    const FlowSums sums = steps.gradients(samples, window, gx, gy);
    for (int y = 0; y < window; ++y)  // the samples inside, shifted so that each row begins a vector
      std::memcpy(target + y * flow_row, samples + (y + 1) * flow_row + 1, (flow_row - 1) * sizeof(std::int16_t));

    // Gradients are scaled by 8, sums of their products by 64.
    const double xx = sums.xx, xy = sums.xy, yy = sums.yy;
    const double smaller = ((xx + yy) - std::sqrt((xx - yy) * (xx - yy) + 4 * xy * xy)) / 2;
    if (!(smaller > least_texture * 64 * window * window)) {
      if (k == 0) return false;
      continue;
    }
    const double determinant = xx * yy - xy * xy;
    Place place = at_level(match, k);
    Place before{0, 0};
    for (int i = 0; i < flow_iterations; ++i) {
      const Sample there = sample_at(goal, clamped(goal, place), half);
      const FlowSlope slope = steps.mismatch(there.pixels, goal.stride, there.weights, window, target, gx, gy);
      // Differences are scaled by 32 and gradients by 8: 256 against 64 of the sums.
      const double x = slope.x, y = slope.y;
      const Place step{(xy * y - yy * x) / determinant / 4, (xy * x - xx * y) / determinant / 4};
      place = {place.x + step.x, place.y + step.y};
      if (step.x * step.x + step.y * step.y < small_step * small_step) break;
      if (i > 0 && std::abs(step.x + before.x) < small_step && std::abs(step.y + before.y) < small_step) {
        place = {place.x - step.x / 2, place.y - step.y / 2};  // to and fro: the middle
        break;
      }
      before = step;
    }
    match = from_level(clamped(goal, place), k);
    if (k == 0) {
      match = place;
      return inside(goal, place);
    }
  }
  return true;
}

}  // namespace

std::size_t flow_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, int window, int levels) {
  return 2 * pyramid_bytes(height, width, window, levels);
}

void flow_by_points(ImageU8 before, ImageU8 after, FlowPoints points, int window, int levels, void* scratch,
                    const FlowSteps& steps) {
  int used = 1;
  while (used < levels && (std::min(before.height, before.width) >> used) >= window) ++used;
  auto* memory = static_cast<std::uint8_t*>(scratch);
  const Pyramid first = pyramid(before, window, used, memory);
  const Pyramid second =
      pyramid(after, window, used, memory + pyramid_bytes(before.height, before.width, window, used));
  for (std::ptrdiff_t i = 0; i < points.count; ++i) {
    const Place start{points.points[2 * i], points.points[2 * i + 1]};
    Place there{}, back{};
    const bool known = follow(first, second, start, window, steps, there);
    points.there[2 * i] = static_cast<float>(there.x);
    points.there[2 * i + 1] = static_cast<float>(there.y);
    const bool returned = known && follow(second, first, there, window, steps, back);
    const double x = back.x - start.x, y = back.y - start.y;
    points.error[i] = returned ? static_cast<float>(std::sqrt(x * x + y * y)) : std::numeric_limits<float>::infinity();
  }
}

}  // namespace edgefer
