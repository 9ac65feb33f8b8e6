#include "reference.h"

#include <algorithm>
#include <cmath>

namespace reference {

std::ptrdiff_t inside(std::ptrdiff_t index, std::ptrdiff_t size, Border border) {
  if (size == 1) return 0;
  while (index < 0 || index >= size) {
    if (border == Border::replicate) return index < 0 ? 0 : size - 1;
    index = index < 0 ? -index : 2 * (size - 1) - index;
  }
  return index;
}

Picture correlated(const Picture& image, const int (&weights)[3][3], Border border) {
  Picture result(image.height, image.width);
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    for (std::ptrdiff_t x = 0; x < image.width; ++x)
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) result.at(y, x) += weights[i][j] * image.beyond(y + i - 1, x + j - 1, border);
  return result;
}

Picture sobel_x(const Picture& image, Border border) {
  return correlated(image, {{-1, 0, 1}, {-2, 0, 2}, {-1, 0, 1}}, border);
}

Picture sobel_y(const Picture& image, Border border) {
  return correlated(image, {{-1, -2, -1}, {0, 0, 0}, {1, 2, 1}}, border);
}

Picture laplacian(const Picture& image, int aperture, Border border) {
  return aperture == 1 ? correlated(image, {{0, 1, 0}, {1, -4, 1}, {0, 1, 0}}, border)
                       : correlated(image, {{2, 0, 2}, {0, -8, 0}, {2, 0, 2}}, border);
}

Score shi_tomasi(const Picture& image, int block_size, Border border) {
  const Picture gx = sobel_x(image, border), gy = sobel_y(image, border);
  const int reach = block_size / 2;
  Score score;
  for (std::ptrdiff_t y = 0; y < image.height; ++y) {
    for (std::ptrdiff_t x = 0; x < image.width; ++x) {
      std::int64_t ixx = 0, ixy = 0, iyy = 0;
      for (int i = -reach; i <= reach; ++i) {
        const std::ptrdiff_t row = inside(y + i, image.height, border);
        for (int j = -reach; j <= reach; ++j) {
          const std::ptrdiff_t column = inside(x + j, image.width, border);
          const std::int64_t a = gx.at(row, column), b = gy.at(row, column);
          ixx += a * a;
          ixy += a * b;
          iyy += b * b;
        }
      }
      // The roots of z^2 - trace z + det; the smaller one is det over the larger one.
      const std::int64_t det = ixx * iyy - ixy * ixy;
      const auto under_root = static_cast<long double>((ixx - iyy) * (ixx - iyy) + 4 * ixy * ixy);
      const auto trace = static_cast<long double>(ixx + iyy);
      const long double larger = (trace + std::sqrt(under_root)) / 2;
      score.smaller.push_back(larger > 0 ? static_cast<long double>(det) / larger : 0);
      score.trace.push_back(trace);
    }
  }
  return score;
}

std::vector<std::ptrdiff_t> good_corners(const std::vector<float>& score, std::ptrdiff_t height, std::ptrdiff_t width,
                                         const Picture* mask, double quality_level, double min_distance,
                                         std::ptrdiff_t max_corners) {
  const auto at = [&](std::ptrdiff_t y, std::ptrdiff_t x) { return score[static_cast<std::size_t>(y * width + x)]; };
  const auto allowed = [&](std::ptrdiff_t y, std::ptrdiff_t x) { return !mask || mask->at(y, x) != 0; };
  float best = 0;
  for (std::ptrdiff_t y = 0; y < height; ++y)
    for (std::ptrdiff_t x = 0; x < width; ++x)
      if (allowed(y, x)) best = std::max(best, at(y, x));
  const auto threshold = static_cast<float>(static_cast<double>(best) * quality_level);

  std::vector<std::ptrdiff_t> candidates;
  for (std::ptrdiff_t y = 1; y < height - 1; ++y) {
    for (std::ptrdiff_t x = 1; x < width - 1; ++x) {
      if (!allowed(y, x) || !(at(y, x) > threshold)) continue;
      bool highest = true;
      for (int i = -1; i <= 1; ++i)
        for (int j = -1; j <= 1; ++j) highest = highest && at(y, x) >= at(y + i, x + j);
      if (highest) candidates.push_back(y * width + x);
    }
  }
  // Best first; among equals the later pixel.
  std::sort(candidates.begin(), candidates.end(), [&](std::ptrdiff_t a, std::ptrdiff_t b) {
    const float left = score[static_cast<std::size_t>(a)], right = score[static_cast<std::size_t>(b)];
    return left != right ? left > right : a > b;
  });
  std::vector<std::ptrdiff_t> taken;
  for (const std::ptrdiff_t offset : candidates) {
    if (static_cast<std::ptrdiff_t>(taken.size()) == max_corners) break;
    bool near = false;
    for (const std::ptrdiff_t other : taken) {
      const auto dx = static_cast<double>(offset % width - other % width);
      const auto dy = static_cast<double>(offset / width - other / width);
      near = near || (min_distance >= 1 && dx * dx + dy * dy < min_distance * min_distance);
    }
    if (!near) taken.push_back(offset);
  }
  return taken;
}

std::vector<Picture> pyramid(const Picture& image, int window, int levels) {
  std::vector<Picture> all{image};
  while (static_cast<int>(all.size()) < levels && std::min(all.back().height / 2, all.back().width / 2) >= window) {
    const Picture& larger = all.back();
    Picture half(larger.height / 2, larger.width / 2);
    for (std::ptrdiff_t y = 0; y < half.height; ++y)
      for (std::ptrdiff_t x = 0; x < half.width; ++x)
        half.at(y, x) = (larger.at(2 * y, 2 * x) + larger.at(2 * y, 2 * x + 1) + larger.at(2 * y + 1, 2 * x) +
                         larger.at(2 * y + 1, 2 * x + 1) + 2) /
                        4;
    all.push_back(half);
  }
  return all;
}

namespace {

double within(double value, std::ptrdiff_t size) {
  return std::min(std::max(value, 0.0), static_cast<double>(size - 1));
}

// Bilinear samples, scaled by 32, of the (2 reach + 1)^2 places around a point, which is moved inside; weights of 14
// bits.
Picture samples_around(const Picture& image, double x, double y, int reach) {
  x = within(x, image.width) - reach;
  y = within(y, image.height) - reach;
  const double left = std::floor(x), top = std::floor(y), a = x - left, b = y - top;
  const auto weight = [](double part) { return static_cast<std::int64_t>(std::floor(part * 16384 + 0.5)); };
  const std::int64_t here = weight((1 - a) * (1 - b)), right = weight(a * (1 - b)), below = weight((1 - a) * b);
  const std::int64_t diagonal = std::max<std::int64_t>(0, 16384 - here - right - below);
  Picture samples(2 * reach + 1, 2 * reach + 1);
  for (std::ptrdiff_t i = 0; i < samples.height; ++i) {
    for (std::ptrdiff_t j = 0; j < samples.width; ++j) {
      const auto row = static_cast<std::ptrdiff_t>(top) + i, column = static_cast<std::ptrdiff_t>(left) + j;
      constexpr Border edge = Border::replicate;
      samples.at(i, j) =
          (here * image.beyond(row, column, edge) + right * image.beyond(row, column + 1, edge) +
           below * image.beyond(row + 1, column, edge) + diagonal * image.beyond(row + 1, column + 1, edge) + 256) >>
          9;
    }
  }
  return samples;
}

// Moves (x, y) from one pyramid to its place in the other; false when it is lost.
bool follow(const std::vector<Picture>& from, const std::vector<Picture>& to, double& x, double& y, int window) {
  const double start_x = x, start_y = y;
  const int half = window / 2;
  for (int level = static_cast<int>(from.size()) - 1; level >= 0; --level) {
    const double side = std::ldexp(1.0, level);
    const auto down = [&](double place) { return (place + 0.5) / side - 0.5; };
    const Picture& goal = to[static_cast<std::size_t>(level)];
    const Picture samples =
        samples_around(from[static_cast<std::size_t>(level)], down(start_x), down(start_y), half + 1);
    Picture gx(window, window), gy(window, window);
    std::int64_t sum_xx = 0, sum_xy = 0, sum_yy = 0;
    for (std::ptrdiff_t i = 0; i < window; ++i) {
      for (std::ptrdiff_t j = 0; j < window; ++j) {
        gx.at(i, j) = (samples.at(i + 1, j + 2) - samples.at(i + 1, j) + 4) >> 3;
        gy.at(i, j) = (samples.at(i + 2, j + 1) - samples.at(i, j + 1) + 4) >> 3;
        sum_xx += gx.at(i, j) * gx.at(i, j);
        sum_xy += gx.at(i, j) * gy.at(i, j);
        sum_yy += gy.at(i, j) * gy.at(i, j);
      }
    }
    const auto xx = static_cast<double>(sum_xx), xy = static_cast<double>(sum_xy), yy = static_cast<double>(sum_yy);
    const double smaller = ((xx + yy) - std::sqrt((xx - yy) * (xx - yy) + 4 * xy * xy)) / 2;
    if (!(smaller > 0.01 * 64 * window * window)) {
      if (level == 0) return false;
      continue;
    }
    double u = down(x), v = down(y), before_x = 0, before_y = 0;
    for (int i = 0; i < 20; ++i) {
      const Picture there = samples_around(goal, u, v, half);
      std::int64_t sum_x = 0, sum_y = 0;
      for (std::ptrdiff_t row = 0; row < window; ++row) {
        for (std::ptrdiff_t column = 0; column < window; ++column) {
          const std::int64_t difference = there.at(row, column) - samples.at(row + 1, column + 1);
          sum_x += difference * gx.at(row, column);
          sum_y += difference * gy.at(row, column);
        }
      }
      const auto p = static_cast<double>(sum_x), q = static_cast<double>(sum_y);
      const double determinant = xx * yy - xy * xy;
      const double step_x = (xy * q - yy * p) / determinant / 4, step_y = (xy * p - xx * q) / determinant / 4;
      u += step_x;
      v += step_y;
      if (step_x * step_x + step_y * step_y < 0.01 * 0.01) break;
      if (i > 0 && std::fabs(step_x + before_x) < 0.01 && std::fabs(step_y + before_y) < 0.01) {
        u -= step_x / 2;
        v -= step_y / 2;
        break;
      }
      before_x = step_x;
      before_y = step_y;
    }
    if (level == 0) {
      x = u;
      y = v;
      return u == within(u, goal.width) && v == within(v, goal.height);
    }
    x = (within(u, goal.width) + 0.5) * side - 0.5;
    y = (within(v, goal.height) + 0.5) * side - 0.5;
  }
  return false;
}

}  // namespace

Followed flow(const std::vector<Picture>& before, const std::vector<Picture>& after, double x, double y, int window) {
  double there_x = x, there_y = y;
  bool known = follow(before, after, there_x, there_y, window);
  double back_x = there_x, back_y = there_y;
  known = known && follow(after, before, back_x, back_y, window);
  const double distance = std::sqrt((back_x - x) * (back_x - x) + (back_y - y) * (back_y - y));
  return {static_cast<float>(there_x), static_cast<float>(there_y), known ? static_cast<float>(distance) : INFINITY};
}

namespace {

std::int64_t sum_inside(const Picture& image, std::ptrdiff_t x, std::ptrdiff_t y, const std::int8_t* rectangle) {
  std::int64_t sum = 0;
  for (int row = rectangle[1]; row < rectangle[3]; ++row)
    for (int column = rectangle[0]; column < rectangle[2]; ++column) sum += image.at(y + row, x + column);
  return sum;
}

// Stages that the window passes; -1 without enough contrast.
int stages_passed(const Picture& image, const Picture& squares, std::ptrdiff_t x, std::ptrdiff_t y,
                  const Boosted& model) {
  const std::int8_t inner[4] = {1, 1, static_cast<std::int8_t>(model.width - 1),
                                static_cast<std::int8_t>(model.height - 1)};
  const double area = (model.width - 2) * (model.height - 2);
  const auto sum = static_cast<double>(sum_inside(image, x, y, inner));
  const double spread = area * static_cast<double>(sum_inside(squares, x, y, inner)) - sum * sum;
  if (!(spread > 0)) return -1;
  const auto reciprocal = static_cast<float>(1 / std::sqrt(spread));
  if (!(area * static_cast<double>(reciprocal) < 0.1)) return -1;
  const auto below = [&](std::size_t node) {
    float value = 0;
    for (std::size_t r = 3 * node; r < 3 * node + 3; ++r)
      value += model.weights[r] * static_cast<float>(sum_inside(image, x, y, &model.rectangles[4 * r]));
    return value * reciprocal < model.thresholds[node];
  };
  std::size_t tree = 0;
  for (std::size_t s = 0; s < model.stages.size(); ++s) {
    double total = 0;
    for (const std::size_t end = tree + static_cast<std::size_t>(model.stages[s]); tree < end; ++tree)
      total +=
          static_cast<double>(model.leaves[4 * tree + (below(2 * tree) ? 0u : 2u) + (below(2 * tree + 1) ? 0u : 1u)]);
    if (total < static_cast<double>(model.stage_thresholds[s])) return static_cast<int>(s);
  }
  return static_cast<int>(model.stages.size());
}

}  // namespace

std::vector<std::ptrdiff_t> cascade(const Picture& image, const Boosted& model, int step) {
  std::vector<std::ptrdiff_t> found;
  Picture squares = image;
  for (std::int64_t& value : squares.values) value *= value;
  for (std::ptrdiff_t y = 0; y + model.height <= image.height; y += step)
    for (std::ptrdiff_t x = 0, passed = 0; x + model.width <= image.width; x += passed == 0 ? 2 * step : step) {
      passed = stages_passed(image, squares, x, y, model);
      if (passed == static_cast<std::ptrdiff_t>(model.stages.size())) found.insert(found.end(), {x, y});
    }
  return found;
}

namespace {

// What each pixel of the result takes of each source pixel, in units of 2^-14: matrix[i * source + p].
std::vector<std::int64_t> resize_matrix(double low, double high, std::ptrdiff_t source, std::ptrdiff_t size,
                                        Method method) {
  constexpr double one = 16384;
  std::vector<std::int64_t> matrix(static_cast<std::size_t>(size * source));
  const double step = (high - low) / static_cast<double>(size);
  const bool area = method == Method::area || (method == Method::automatic && step > 1);
  for (std::ptrdiff_t i = 0; i < size; ++i) {
    std::int64_t* row = matrix.data() + i * source;
    if (area) {
      // The share of [a, b) up to the right end of each pixel, rounded; the first pixel reaches down without end and
      // the last one up. Differences of neighbours are the weights.
      const double a = low + static_cast<double>(i) * step, b = low + static_cast<double>(i + 1) * step;
      std::int64_t before = 0;
      for (std::ptrdiff_t p = 0; p < source; ++p) {
        const auto end = static_cast<double>(p + 1);
        double share = 0;
        if (end >= b || p == source - 1) {
          share = 1;
        } else if (end > a) {
          share = (end - a) / (b - a);
        }
        const auto up_to = static_cast<std::int64_t>(std::floor(share * one + 0.5));
        row[p] = up_to - before;
        before = up_to;
      }
    } else {
      const double centre = low + (static_cast<double>(i) + 0.5) * step - 0.5;
      const double at = std::min(std::max(centre, 0.0), static_cast<double>(source - 1));
      const auto left = static_cast<std::ptrdiff_t>(std::floor(at));
      const auto right_weight = static_cast<std::int64_t>(std::floor((at - std::floor(at)) * one + 0.5));
      row[left] += 16384 - right_weight;
      row[std::min(left + 1, source - 1)] += right_weight;
    }
  }
  return matrix;
}

}  // namespace

Picture crop_resize(const Picture& image, const Box& box, std::ptrdiff_t height, std::ptrdiff_t width, Method method) {
  const auto rows = resize_matrix(box.y0, box.y1, image.height, height, method);
  const auto columns = resize_matrix(box.x0, box.x1, image.width, width, method);
  Picture result(height, width);
  std::vector<std::int64_t> between(static_cast<std::size_t>(image.width));
  for (std::ptrdiff_t y = 0; y < height; ++y) {
    std::fill(between.begin(), between.end(), 64);
    for (std::ptrdiff_t p = 0; p < image.height; ++p) {
      const std::int64_t weight = rows[static_cast<std::size_t>(y * image.height + p)];
      if (weight == 0) continue;
      for (std::ptrdiff_t x = 0; x < image.width; ++x) between[static_cast<std::size_t>(x)] += weight * image.at(p, x);
    }
    for (std::int64_t& value : between) value >>= 7;
    for (std::ptrdiff_t x = 0; x < width; ++x) {
      std::int64_t sum = 1 << 20;
      for (std::ptrdiff_t p = 0; p < image.width; ++p)
        sum += columns[static_cast<std::size_t>(x * image.width + p)] * between[static_cast<std::size_t>(p)];
      result.at(y, x) = sum >> 21;
    }
  }
  return result;
}

int quantised(std::int64_t value, float multiplier, float offset) {
  const float product = static_cast<float>(value) * multiplier;
  const float sum = std::nearbyint(product + offset);
  return static_cast<int>(std::min(127.0f, std::max(-128.0f, sum)));
}

Dense fully_connected(const float* x, const float* weights, const float* bias, std::ptrdiff_t inputs,
                      std::ptrdiff_t outputs) {
  // Each of the inputs + 1 terms passes at most that many roundings of 2^-24; twice that leaves room for their
  // products. The last term is for results below float's normal range, one for each operation.
  const double relative = static_cast<double>(inputs + 1) * std::ldexp(1.0, -23);
  const double underflow = static_cast<double>(inputs + 1) * std::ldexp(1.0, -148);
  Dense dense;
  for (std::ptrdiff_t o = 0; o < outputs; ++o) {
    double sum = bias[o], magnitude = std::fabs(sum);
    for (std::ptrdiff_t i = 0; i < inputs; ++i) {
      const double product = static_cast<double>(x[i]) * static_cast<double>(weights[o * inputs + i]);
      sum += product;
      magnitude += std::fabs(product);
    }
    dense.y.push_back(sum);
    dense.bound.push_back(relative * magnitude + underflow);
  }
  return dense;
}

Multiplier quantised_multiplier(double real) {
  int exponent = 0;
  const double fraction = std::frexp(real, &exponent);
  auto multiplier = static_cast<std::int64_t>(std::floor(std::ldexp(fraction, 31) + 0.5));
  if (multiplier == std::int64_t{1} << 31) {
    multiplier = std::int64_t{1} << 30;
    ++exponent;
  }
  if (exponent < -31) return {0, 0};
  if (exponent > 30) return {(std::int64_t{1} << 31) - 1, 30};
  return {multiplier, exponent};
}

__int128 scaled(std::int32_t sum, Multiplier factor) {
  const __int128 half = static_cast<__int128>(1) << (30 - factor.shift);
  return (static_cast<__int128>(sum) * factor.multiplier + half) >> (31 - factor.shift);
}

}  // namespace reference
