// Slow, obvious versions of the kernels in plain loops, written from the equations; they share no code with csrc/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

// What a pixel outside a side of `size` pixels stands for.
enum class Border { replicate, reflect101 };
std::ptrdiff_t inside(std::ptrdiff_t index, std::ptrdiff_t size, Border border);

// A picture without gaps.
struct Picture {
  std::ptrdiff_t height = 0, width = 0;
  std::vector<std::int64_t> values;

  Picture(std::ptrdiff_t h, std::ptrdiff_t w) : height(h), width(w), values(static_cast<std::size_t>(h * w)) {}
  std::int64_t& at(std::ptrdiff_t y, std::ptrdiff_t x) { return values[static_cast<std::size_t>(y * width + x)]; }
  std::int64_t at(std::ptrdiff_t y, std::ptrdiff_t x) const { return values[static_cast<std::size_t>(y * width + x)]; }
  std::int64_t beyond(std::ptrdiff_t y, std::ptrdiff_t x, Border border) const {
    return at(inside(y, height, border), inside(x, width, border));
  }
};

// sum over i, j of weights[i][j] * image[y + i - 1, x + j - 1].
Picture correlated(const Picture& image, const int (&weights)[3][3], Border border);
Picture sobel_x(const Picture& image, Border border);
Picture sobel_y(const Picture& image, Border border);
Picture laplacian(const Picture& image, int aperture, Border border);

// The smaller eigenvalue of the structure tensor, before the scale 1 / (4 * 255 * block_size)^2, and its trace.
struct Score {
  std::vector<long double> smaller, trace;
};
Score shi_tomasi(const Picture& image, int block_size, Border border);

// Local maxima of a score image without gaps, best first: offsets y * width + x.
std::vector<std::ptrdiff_t> good_corners(const std::vector<float>& score, std::ptrdiff_t height, std::ptrdiff_t width,
                                         const Picture* mask, double quality_level, double min_distance,
                                         std::ptrdiff_t max_corners);

// Pyramidal Lucas-Kanade (Bouguet 2000), there and back. `error` is infinite for a point that is lost.
struct Followed {
  float x, y, error;
};
Followed flow(const std::vector<Picture>& before, const std::vector<Picture>& after, double x, double y, int window);
// The image and its halves, while each side is at least the window's.
std::vector<Picture> pyramid(const Picture& image, int window, int levels);

// A boosted cascade as edgefer_cascade_create takes it, and the windows it accepts: (x, y), row by row.
struct Boosted {
  int width, height;
  std::vector<std::int8_t> rectangles;
  std::vector<float> weights, thresholds, leaves;
  std::vector<std::int32_t> stages;
  std::vector<float> stage_thresholds;
};
std::vector<std::ptrdiff_t> cascade(const Picture& image, const Boosted& model, int step);

enum class Method { automatic, area, bilinear };
struct Box {
  double x0, y0, x1, y1;
};
Picture crop_resize(const Picture& image, const Box& box, std::ptrdiff_t height, std::ptrdiff_t width, Method method);

// clamp(rint(value * multiplier + offset), -128, 127) in float.
int quantised(std::int64_t value, float multiplier, float offset);

// y = W x + b for one row, and how far float sums in any order may be from it.
struct Dense {
  std::vector<double> y, bound;
};
Dense fully_connected(const float* x, const float* weights, const float* bias, std::ptrdiff_t inputs,
                      std::ptrdiff_t outputs);

// The real factor of one output as multiplier * 2^(shift - 31).
struct Multiplier {
  std::int64_t multiplier;
  int shift;
};
Multiplier quantised_multiplier(double real);
// (sum * factor), rounded to nearest, ties upwards.
__int128 scaled(std::int32_t sum, Multiplier factor);

}  // namespace reference
