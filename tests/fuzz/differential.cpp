// Differential fuzzing: random cases through the C functions, every variant of an operation against the plain loops of
// reference.cpp. Integers must agree bit for bit; floats bit for bit among the variants, and with the reference within
// a bound. Inputs and outputs lie against pages that cannot be touched, and whatever surrounds the rows of an output
// must stay as it was.
//
//   differential [--cases N] [--seed S] [operation ...]      N cases of each operation
//   differential --replay CASE operation                     one case again, by the number a mismatch prints
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "edgefer.h"
#include "reference.h"

namespace {

// ------------------------------------------------------------------------------------------------------ random choices

// Splitmix64: every seed gives an own sequence.
struct Random {
  std::uint64_t state;

  std::uint64_t next() {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // low to high, both included.
  std::ptrdiff_t between(std::ptrdiff_t low, std::ptrdiff_t high) {
    return low + static_cast<std::ptrdiff_t>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(int n) { return between(1, n) == 1; }
  double real(double low, double high) {
    return low + (high - low) * std::ldexp(static_cast<double>(next() >> 11), -53);
  }
};

// Small ones, all residues, and the neighbourhoods of whole vectors; seldom one wider than the tiles of shi_tomasi.
std::ptrdiff_t random_width(Random& random) {
  switch (random.between(0, 7)) {
    case 0: return random.between(1, 4);
    case 1: return random.between(1, 20);
    case 2: return random.between(1, 80);
    case 3: return 64 * random.between(1, 2) + random.between(-3, 3);
    case 4: return random.one_in(100) ? random.between(81, 1400) : random.between(1, 33);
    default: return std::max<std::ptrdiff_t>(1, 8 * random.between(1, 8) + random.between(-2, 2));
  }
}

std::ptrdiff_t random_height(Random& random) { return random.one_in(8) ? random.between(1, 24) : random.between(1, 7); }

// Now and then more rows than the bands that scores are taken in.
std::ptrdiff_t random_height_of_scores(Random& random, std::ptrdiff_t width) {
  return width < 140 && random.one_in(300) ? random.between(120, 270) : random_height(random);
}

// ------------------------------------------------------------------------------------------------------------ the case

// What is being run, for the reports.
struct Current {
  const char* op = "";
  const char* variant = "reference";
  std::uint64_t number = 0;
  bool told = false;  // replay: the case prints its arguments
} current;

[[noreturn]] void stop() {
  std::fflush(stdout);
  std::_Exit(1);
}

// Repeats the case to print its arguments, and ends.
[[noreturn]] __attribute__((format(printf, 1, 2))) void mismatch(const char* format, ...);

__attribute__((format(printf, 1, 2))) void tell(const char* format, ...) {
  if (!current.told) return;
  std::va_list values;
  va_start(values, format);
  std::vprintf(format, values);
  va_end(values);
}

void (*run_case)(Random) = nullptr;

void mismatch(const char* format, ...) {
  std::printf("%s, %s: ", current.op, current.variant);
  std::va_list values;
  va_start(values, format);
  std::vprintf(format, values);
  va_end(values);
  std::printf("\n  again by: differential --replay %llu %s\n", static_cast<unsigned long long>(current.number),
              current.op);
  if (!current.told) {
    current.told = true;
    run_case(Random{current.number});
  }
  stop();
}

void on_signal(int signal) {
  char text[256];
  const int size =
      std::snprintf(text, sizeof text, "%s, %s: %s\n  again by: differential --replay %llu %s\n", current.op,
                    current.variant, strsignal(signal), static_cast<unsigned long long>(current.number), current.op);
  if (write(1, text, static_cast<std::size_t>(size)) < 0) _exit(2);
  _exit(1);
}

// -------------------------------------------------------------------------------------------------------------- memory

// Memory between two pages that cannot be touched.
class Arena {
 public:
  static constexpr std::size_t size = std::size_t{1} << 20;

  Arena() {
    constexpr std::size_t page = 1 << 16;
    void* all = mmap(nullptr, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    first_ = static_cast<std::uint8_t*>(all) + page;
    if (all == MAP_FAILED || mprotect(first_, size, PROT_READ | PROT_WRITE)) {
      std::perror("differential: mmap");
      std::exit(2);
    }
  }
  std::uint8_t* first() const { return first_; }
  std::uint8_t* end() const { return first_ + size; }

 private:
  std::uint8_t* first_;
};

Arena& arena(std::size_t index) {
  static Arena all[8];
  return all[index];
}

// `bytes` against the arena's end or its beginning, or wherever the type may stand.
template <class T> T* placed(Random& random, std::size_t arena_index, std::ptrdiff_t count) {
  const Arena& home = arena(arena_index);
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
  if (bytes > Arena::size / 2) {
    std::fprintf(stderr, "differential: %zu bytes do not fit\n", bytes);
    std::exit(2);
  }
  const auto shift = static_cast<std::size_t>(random.between(1, 64)) * sizeof(T);
  switch (random.between(0, 3)) {
    case 0: return reinterpret_cast<T*>(home.first());
    case 1: return reinterpret_cast<T*>(home.first() + shift);
    case 2: return reinterpret_cast<T*>(home.end() - bytes - shift);
    default: return reinterpret_cast<T*>(home.end() - bytes);
  }
}

template <class T> struct View {
  T* rows;  // the first one
  std::ptrdiff_t height, width, stride;
  T* lowest;
  std::ptrdiff_t count;  // elements from the lowest to one past the highest

  T& at(std::ptrdiff_t y, std::ptrdiff_t x) const { return rows[y * stride + x]; }
};

template <class T>
View<T> view(Random& random, std::size_t arena_index, std::ptrdiff_t height, std::ptrdiff_t width,
             std::ptrdiff_t stride) {
  const std::ptrdiff_t reach = (height - 1) * stride;
  const std::ptrdiff_t count = std::abs(reach) + width;
  T* lowest = placed<T>(random, arena_index, count);
  return {lowest - std::min<std::ptrdiff_t>(0, reach), height, width, stride, lowest, count};
}

// Without gaps, wide, upside down.
std::ptrdiff_t random_stride(Random& random, std::ptrdiff_t width) {
  const std::ptrdiff_t stride = random.one_in(2) ? width : width + random.between(1, random.one_in(4) ? 200 : 9);
  return random.one_in(4) ? -stride : stride;
}

void fill_bytes(Random& random, std::uint8_t* bytes, std::ptrdiff_t count) {
  const int kind = static_cast<int>(random.between(0, 9));
  const auto base = static_cast<std::uint8_t>(random.next());
  const int shift = static_cast<int>(random.between(1, 7));
  std::uint64_t bits = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    if (i % 8 == 0) bits = random.next();
    const auto value = static_cast<std::uint8_t>(bits >> (i % 8 * 8));
    if (kind <= 3) {
      bytes[i] = value;
    } else if (kind <= 5) {
      bytes[i] = value & 1 ? 255 : 0;  // full contrast
    } else if (kind == 6) {
      bytes[i] = static_cast<std::uint8_t>(base + (value & 3));  // a few levels
    } else if (kind == 7) {
      bytes[i] = base;
    } else if (kind == 8) {
      bytes[i] = static_cast<std::uint8_t>((i >> shift) & 1 ? base : 255 - base);  // steps
    } else {
      bytes[i] = value < 8 ? 255 : 0;  // impulses
    }
  }
}

// An input image; its rows may overlap.
View<std::uint8_t> random_image(Random& random, std::size_t arena_index, std::ptrdiff_t height, std::ptrdiff_t width) {
  std::ptrdiff_t stride = random_stride(random, width);
  if (random.one_in(30)) stride = random.between(-width, width);
  const auto image = view<std::uint8_t>(random, arena_index, height, width, stride);
  fill_bytes(random, image.lowest, image.count);
  tell("  image %td x %td, stride %td, at %zu of 64\n", height, width, stride,
       reinterpret_cast<std::uintptr_t>(image.rows) % 64);
  return image;
}

reference::Picture picture(const View<std::uint8_t>& image) {
  reference::Picture all(image.height, image.width);
  for (std::ptrdiff_t y = 0; y < image.height; ++y)
    for (std::ptrdiff_t x = 0; x < image.width; ++x) all.at(y, x) = image.at(y, x);
  return all;
}

// An output: rows in memory that is otherwise a pattern, and what all of it must be afterwards.
template <class T> class Output {
 public:
  Output(Random& random, std::size_t arena_index, std::ptrdiff_t height, std::ptrdiff_t width, std::ptrdiff_t stride,
         const char* name)
      : view_(view<T>(random, arena_index, height, width, stride)), name_(name) {
    const Arena& home = arena(arena_index);
    auto* lowest = reinterpret_cast<std::uint8_t*>(view_.lowest);
    first_ = std::max(home.first(), lowest - margin);
    end_ = std::min(home.end(), lowest + static_cast<std::size_t>(view_.count) * sizeof(T) + margin);
    expected_.assign(static_cast<std::size_t>(end_ - first_), pattern);
    tell("  %s stride %td, at %zu of 64\n", name, stride, reinterpret_cast<std::uintptr_t>(view_.rows) % 64);
  }

  T* rows() const { return view_.rows; }
  std::ptrdiff_t stride() const { return view_.stride; }
  T at(std::ptrdiff_t y, std::ptrdiff_t x) const { return view_.at(y, x); }

  void expect(std::ptrdiff_t y, std::ptrdiff_t x, T value) {
    const auto offset = reinterpret_cast<std::uint8_t*>(&view_.at(y, x)) - first_;
    std::memcpy(expected_.data() + offset, &value, sizeof value);
  }
  void expect(const reference::Picture& values) {
    for (std::ptrdiff_t y = 0; y < view_.height; ++y)
      for (std::ptrdiff_t x = 0; x < view_.width; ++x) expect(y, x, static_cast<T>(values.at(y, x)));
  }
  // The rows as they are now, for the variants that follow.
  void expect_as_it_is() {
    for (std::ptrdiff_t y = 0; y < view_.height; ++y)
      for (std::ptrdiff_t x = 0; x < view_.width; ++x) expect(y, x, at(y, x));
  }

  void clear() { std::memset(first_, pattern, expected_.size()); }

  void check() const {
    if (std::memcmp(first_, expected_.data(), expected_.size()) == 0) return;
    for (std::ptrdiff_t y = 0; y < view_.height; ++y) {
      for (std::ptrdiff_t x = 0; x < view_.width; ++x) {
        T wanted;
        std::memcpy(&wanted, expected_.data() + (reinterpret_cast<std::uint8_t*>(&view_.at(y, x)) - first_), sizeof(T));
        const T got = at(y, x);
        if (std::memcmp(&got, &wanted, sizeof(T)) != 0)
          mismatch("%s[%td, %td] is %.9g, expected %.9g", name_, y, x, static_cast<double>(got),
                   static_cast<double>(wanted));
      }
    }
    std::size_t i = 0;
    while (first_[i] == expected_[i]) ++i;
    mismatch("wrote beside the rows of %s, %td bytes after its first pixel", name_,
             first_ + i - reinterpret_cast<std::uint8_t*>(view_.rows));
  }

 private:
  static constexpr std::ptrdiff_t margin = 128;
  static constexpr std::uint8_t pattern = 0xA5;
  View<T> view_;
  const char* name_;
  std::uint8_t *first_, *end_;
  std::vector<std::uint8_t> expected_;
};

template <class T>
Output<T> random_output(Random& random, std::size_t arena_index, std::ptrdiff_t height, std::ptrdiff_t width,
                        const char* name) {
  return {random, arena_index, height, width, random_stride(random, width), name};
}

// Calls `body(is_first)` for every variant of the current operation.
template <class Body> void for_each_variant(Body body) {
  const char* const* variants = edgefer_variants(current.op);
  for (int i = 0; variants[i]; ++i) {
    edgefer_use_variant(variants[i]);
    current.variant = variants[i];
    body(i == 0);
  }
  edgefer_use_variant(nullptr);
  current.variant = "reference";
}

void check_status(edgefer_status status) {
  if (status != EDGEFER_OK) mismatch("refused: %s", edgefer_last_error());
}

// -------------------------------------------------------------------------------------------------- gradients, corners

reference::Border border_of(int border) {
  return border == EDGEFER_BORDER_REPLICATE ? reference::Border::replicate : reference::Border::reflect101;
}

void sobel_case(Random random) {
  const std::ptrdiff_t width = random_width(random), height = random_height(random);
  const auto image = random_image(random, 0, height, width);
  const auto border = static_cast<int>(random.between(0, 1));
  tell("  border %d\n", border);
  auto gx = random_output<std::int16_t>(random, 1, height, width, "gx");
  auto gy = random_output<std::int16_t>(random, 2, height, width, "gy");
  const auto pixels = picture(image);
  gx.expect(reference::sobel_x(pixels, border_of(border)));
  gy.expect(reference::sobel_y(pixels, border_of(border)));
  for_each_variant([&](bool) {
    gx.clear(), gy.clear();
    check_status(
        edgefer_sobel(image.rows, height, width, image.stride, border, gx.rows(), gx.stride(), gy.rows(), gy.stride()));
    gx.check(), gy.check();
  });
}

void laplacian_case(Random random) {
  const std::ptrdiff_t width = random_width(random), height = random_height(random);
  const auto image = random_image(random, 0, height, width);
  const auto border = static_cast<int>(random.between(0, 1)), aperture = random.one_in(2) ? 1 : 3;
  tell("  border %d, aperture %d\n", border, aperture);
  auto out = random_output<std::int16_t>(random, 1, height, width, "out");
  out.expect(reference::laplacian(picture(image), aperture, border_of(border)));
  for_each_variant([&](bool) {
    out.clear();
    check_status(
        edgefer_laplacian(image.rows, height, width, image.stride, aperture, border, out.rows(), out.stride()));
    out.check();
  });
}

void gradients_case(Random random) {
  const std::ptrdiff_t width = random_width(random), height = random_height(random);
  const auto image = random_image(random, 0, height, width);
  const auto border = static_cast<int>(random.between(0, 1)), aperture = random.one_in(2) ? 1 : 3;
  tell("  border %d, aperture %d\n", border, aperture);
  auto gx = random_output<std::int16_t>(random, 1, height, width, "gx");
  auto gy = random_output<std::int16_t>(random, 2, height, width, "gy");
  auto second = random_output<std::int16_t>(random, 3, height, width, "laplacian");
  const auto pixels = picture(image);
  gx.expect(reference::sobel_x(pixels, border_of(border)));
  gy.expect(reference::sobel_y(pixels, border_of(border)));
  second.expect(reference::laplacian(pixels, aperture, border_of(border)));
  for_each_variant([&](bool) {
    gx.clear(), gy.clear(), second.clear();
    check_status(edgefer_gradients(image.rows, height, width, image.stride, aperture, border, gx.rows(), gx.stride(),
                                   gy.rows(), gy.stride(), second.rows(), second.stride()));
    gx.check(), gy.check(), second.check();
  });
}

// Odd, 3 to 15; small windows more often.
int random_block_size(Random& random) {
  return static_cast<int>(3 + 2 * std::min(random.between(0, 6), random.between(0, 6)));
}

// The derivation stands at test_shi_tomasi_is_within_eight_roundings_of_the_larger_eigenvalue in
// tests/kernels/test_corners.py.
long double shi_tomasi_bound(long double smaller, long double trace) {
  return 8 * std::ldexp(1.0L, -24) * (trace - smaller);
}

void shi_tomasi_case(Random random) {
  const std::ptrdiff_t width = random_width(random), height = random_height_of_scores(random, width);
  const auto image = random_image(random, 0, height, width);
  const auto border = static_cast<int>(random.between(0, 1)), block_size = random_block_size(random);
  tell("  border %d, block_size %d\n", border, block_size);
  auto score = random_output<float>(random, 1, height, width, "score");
  const auto exact = reference::shi_tomasi(picture(image), block_size, border_of(border));
  const long double scale = 1 / (4 * 255.0L * block_size);
  for_each_variant([&](bool first) {
    score.clear();
    check_status(
        edgefer_shi_tomasi(image.rows, height, width, image.stride, block_size, border, score.rows(), score.stride()));
    if (first) {
      for (std::ptrdiff_t y = 0; y < height; ++y) {
        for (std::ptrdiff_t x = 0; x < width; ++x) {
          const auto i = static_cast<std::size_t>(y * width + x);
          const long double bound = scale * scale * shi_tomasi_bound(exact.smaller[i], exact.trace[i]);
          const long double wanted = scale * scale * exact.smaller[i];
          const float got = score.at(y, x);
          if (!(got >= 0 && std::fabs(got - wanted) <= bound))
            mismatch("score[%td, %td] is %.9g, expected %.12Lg within %.3Lg", y, x, static_cast<double>(got), wanted,
                     bound);
        }
      }
      score.expect_as_it_is();
    }
    score.check();
  });
}

void good_corners_case(Random random) {
  const std::ptrdiff_t width = random_width(random),
                       height = random.one_in(3) ? random.between(1, 30) : random_height_of_scores(random, width);
  const auto image = random_image(random, 0, height, width);
  const bool masked = random.one_in(3);
  const auto mask = random_image(random, 1, height, width);
  const auto allowed = picture(mask);
  const double quality = random.one_in(20) ? random.real(0.5, 1.5) : random.real(0.0001, 0.3);
  const double distance = random.one_in(3) ? 0 : random.one_in(20) ? random.real(0, 1000) : random.real(0, 12);
  const int block_size = random_block_size(random);
  const std::ptrdiff_t most = random.one_in(2) ? random.between(1, 10) : random.between(1, 2000);
  tell("  masked %d, quality %.17g, distance %.17g, block_size %d, most %td\n", masked, quality, distance, block_size,
       most);
  std::vector<float> score(static_cast<std::size_t>(height * width));
  check_status(edgefer_shi_tomasi(image.rows, height, width, image.stride, block_size, EDGEFER_BORDER_REFLECT101,
                                  score.data(), width));
  const auto expected =
      reference::good_corners(score, height, width, masked ? &allowed : nullptr, quality, distance, most);
  for_each_variant([&](bool) {
    // Corners are written one after the other, and nothing beyond the last of them.
    Random again = random;
    Output<std::int32_t> corners(again, 2, 1, 2 * most, 2 * most, "corners");
    corners.clear();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto at = static_cast<std::ptrdiff_t>(2 * i);
      corners.expect(0, at, static_cast<std::int32_t>(expected[i] % width));
      corners.expect(0, at + 1, static_cast<std::int32_t>(expected[i] / width));
    }
    std::ptrdiff_t count = -1;
    check_status(edgefer_good_corners(image.rows, height, width, image.stride, masked ? mask.rows : nullptr,
                                      mask.stride, quality, distance, block_size,
                                      reinterpret_cast<edgefer_corner*>(corners.rows()), most, &count));
    if (count != static_cast<std::ptrdiff_t>(expected.size()))
      mismatch("%td corners, expected %zu", count, expected.size());
    corners.check();
  });
}

void flow_case(Random random) {
  const std::ptrdiff_t width = std::max<std::ptrdiff_t>(3, std::min<std::ptrdiff_t>(90, random_width(random)));
  const std::ptrdiff_t height = random.one_in(4) ? random.between(3, 40) : random.between(3, 9);
  const auto before = random_image(random, 0, height, width);
  const auto after = random_image(random, 1, height, width);
  // Another image is seldom found again: most are the first one moved a little, with some noise.
  const std::ptrdiff_t dy = random.between(-1, 1), dx = random.between(-1, 1);
  if (!random.one_in(8))
    for (std::ptrdiff_t y = 0; y < height; ++y)
      for (std::ptrdiff_t x = 0; x < width; ++x)
        after.at(y, x) = static_cast<std::uint8_t>(before.at(std::min(height - 1, std::max<std::ptrdiff_t>(0, y + dy)),
                                                             std::min(width - 1, std::max<std::ptrdiff_t>(0, x + dx))) ^
                                                   (random.next() & 1));
  const auto window = static_cast<int>(3 + 2 * std::min(random.between(0, 5), random.between(0, 5)));
  const auto levels = static_cast<int>(random.between(1, 5));
  const std::ptrdiff_t count = random.between(1, 3);
  auto* points = placed<float>(random, 2, 2 * count);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const auto right = static_cast<double>(width - 1), bottom = static_cast<double>(height - 1);
    const bool whole = random.one_in(4);
    const double x = random.real(0, right), y = random.real(0, bottom);
    points[2 * i] = random.one_in(10) ? static_cast<float>(right) : static_cast<float>(whole ? std::floor(x) : x);
    points[2 * i + 1] = random.one_in(10) ? 0 : static_cast<float>(whole ? std::floor(y) : y);
    tell("  point (%.9g, %.9g)\n", static_cast<double>(points[2 * i]), static_cast<double>(points[2 * i + 1]));
  }
  tell("  window %d, levels %d\n", window, levels);
  const auto first = reference::pyramid(picture(before), window, levels);
  const auto second = reference::pyramid(picture(after), window, levels);
  Output<float> there(random, 3, 1, 2 * count, 2 * count, "there"), error(random, 4, 1, count, count, "error");
  std::vector<bool> lost;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const auto expected = reference::flow(first, second, static_cast<double>(points[2 * i]),
                                          static_cast<double>(points[2 * i + 1]), window);
    lost.push_back(std::isinf(expected.error));
    error.expect(0, i, expected.error);
    there.expect(0, 2 * i, expected.x);
    there.expect(0, 2 * i + 1, expected.y);
  }
  for_each_variant([&](bool) {
    there.clear(), error.clear();
    check_status(edgefer_flow(before.rows, height, width, before.stride, after.rows, after.stride, points, count,
                              window, levels, there.rows(), error.rows()));
    error.check();
    for (std::ptrdiff_t i = 0; i < 2 * count; ++i)
      if (lost[static_cast<std::size_t>(i / 2)]) there.expect(0, i, there.at(0, i));  // without meaning
    there.check();
  });
}

void cascade_case(Random random) {
  reference::Boosted model;
  model.width = static_cast<int>(random.one_in(3) ? random.between(3, 32) : random.between(3, 8));
  model.height = static_cast<int>(random.one_in(8) ? random.between(3, 32) : random.between(3, 8));
  const int step = random.one_in(2) ? 1 : 2;
  const std::ptrdiff_t height = std::max<std::ptrdiff_t>(1, model.height + random.between(-1, 4));
  const std::ptrdiff_t reach = random.one_in(200) ? random.between(100, 1232) : random.between(-1, 24);
  const std::ptrdiff_t width = std::max<std::ptrdiff_t>(1, model.width + reach);
  const auto image = random_image(random, 0, height, width);
  std::ptrdiff_t trees = 0;
  for (std::ptrdiff_t stages = random.between(1, 3); stages > 0; --stages) {
    model.stages.push_back(static_cast<std::int32_t>(random.between(1, 3)));
    model.stage_thresholds.push_back(static_cast<float>(random.real(-2, 0.5)));
    trees += model.stages.back();
  }
  const bool stumps = random.one_in(3);
  for (std::ptrdiff_t node = 0; node < 2 * trees; ++node) {
    for (int r = 0; r < 3; ++r) {
      const auto ends = [&](int side) {
        const auto a = static_cast<std::int8_t>(random.between(0, side));
        const auto b = static_cast<std::int8_t>(random.between(0, side));
        return std::pair(std::min(a, b), std::max(a, b));
      };
      const auto x = ends(model.width), y = ends(model.height);
      model.rectangles.insert(model.rectangles.end(), {x.first, y.first, x.second, y.second});
      const double area = std::max(1, (x.second - x.first) * (y.second - y.first));
      const double weight = (r == 0 ? -1 : 1) * model.width * model.height / area;
      model.weights.push_back(r == 2 && random.one_in(2) ? 0.0f : static_cast<float>(weight));
    }
    model.thresholds.push_back(static_cast<float>(random.real(-1, 1)));
  }
  for (std::ptrdiff_t leaf = 0; leaf < 4 * trees; ++leaf)
    model.leaves.push_back(stumps && leaf % 2 ? model.leaves.back() : static_cast<float>(random.real(-1, 1)));
  tell("  window %d x %d, step %d, %zu stages, %td trees\n", model.width, model.height, step, model.stages.size(),
       trees);

  const auto expected = reference::cascade(picture(image), model, step);
  const auto count_expected = static_cast<std::ptrdiff_t>(expected.size() / 2);
  const std::ptrdiff_t most = std::max<std::ptrdiff_t>(1, count_expected);
  Output<std::int32_t> windows(random, 1, 1, 2 * most, 2 * most, "windows");
  for (std::ptrdiff_t i = 0; i < 2 * count_expected; ++i)
    windows.expect(0, i, static_cast<std::int32_t>(expected[static_cast<std::size_t>(i)]));
  edgefer_cascade* made = nullptr;
  check_status(edgefer_cascade_create(model.width, model.height, model.rectangles.data(), model.weights.data(),
                                      model.thresholds.data(), model.leaves.data(), trees, model.stages.data(),
                                      model.stage_thresholds.data(), static_cast<std::ptrdiff_t>(model.stages.size()),
                                      &made));
  for_each_variant([&](bool) {
    windows.clear();
    std::ptrdiff_t count = -1;
    check_status(edgefer_cascade_windows(made, image.rows, height, width, image.stride, step,
                                         reinterpret_cast<edgefer_corner*>(windows.rows()), most, &count));
    if (count != count_expected) mismatch("%td windows, expected %td", count, count_expected);
    if (count_expected > 0) windows.check();
  });
  edgefer_cascade_free(made);
}

// --------------------------------------------------------------------------------------------------- a network's input

void luma_case(Random random) {
  const std::ptrdiff_t width = random_width(random), height = random_height(random);
  const auto format = static_cast<int>(random.between(0, 2));
  tell("  format %d\n", format);
  const std::ptrdiff_t depth = format == EDGEFER_LUMA_YUYV ? 2 : format == EDGEFER_LUMA_NV12 ? 1 : 3;
  const auto image = random_image(random, 0, height, depth * width);
  auto out = random_output<std::uint8_t>(random, 1, height, width, "out");
  for (std::ptrdiff_t y = 0; y < height; ++y) {
    for (std::ptrdiff_t x = 0; x < width; ++x) {
      const std::uint8_t* pixel = &image.at(y, depth * x);
      const int value = format == EDGEFER_LUMA_BGR
                            ? (3735 * pixel[0] + 19235 * pixel[1] + 9798 * pixel[2] + 16384) / 32768
                            : pixel[0];
      out.expect(y, x, static_cast<std::uint8_t>(value));
    }
  }
  for_each_variant([&](bool) {
    out.clear();
    check_status(edgefer_luma(image.rows, height, width, image.stride, format, out.rows(), out.stride()));
    out.check();
  });
}

struct Resize {
  reference::Box box;
  int method;
  std::ptrdiff_t height, width;
};

// Boxes inside, across the edges, far outside, thinner than a pixel, wide beyond all sense, on whole pixels.
Resize random_resize(Random& random, std::ptrdiff_t height, std::ptrdiff_t width) {
  const auto side = [&](double size, double& low, double& high) {
    switch (random.between(0, 7)) {
      case 0: low = 0, high = size; break;
      case 1:
        low = static_cast<double>(random.between(-5, 5)), high = low + static_cast<double>(random.between(1, 90));
        break;
      case 2: low = random.real(-2 * size, 2 * size), high = low + random.real(0.001, 2); break;
      case 3: low = random.real(-1e6, 1e6), high = random.real(low, 1e6); break;
      default: low = random.real(-0.5 * size, size), high = low + random.real(0.2, 1.5) * size; break;
    }
    high = std::min(high, 1e6);
    if (!(low < high)) low = 0, high = size;
  };
  Resize resize{};
  side(static_cast<double>(width), resize.box.x0, resize.box.x1);
  side(static_cast<double>(height), resize.box.y0, resize.box.y1);
  resize.method = static_cast<int>(random.between(0, 2));
  resize.width = std::min<std::ptrdiff_t>(200, random_width(random));
  resize.height = random_height(random);
  tell("  box (%.17g, %.17g, %.17g, %.17g), method %d, size %td x %td\n", resize.box.x0, resize.box.y0, resize.box.x1,
       resize.box.y1, resize.method, resize.height, resize.width);
  return resize;
}

reference::Picture resized(const View<std::uint8_t>& image, const Resize& resize) {
  constexpr reference::Method methods[] = {reference::Method::automatic, reference::Method::area,
                                           reference::Method::bilinear};
  return reference::crop_resize(picture(image), resize.box, resize.height, resize.width, methods[resize.method]);
}

void crop_resize_case(Random random) {
  const std::ptrdiff_t width = std::min<std::ptrdiff_t>(300, random_width(random)), height = random_height(random);
  const auto image = random_image(random, 0, height, width);
  const Resize resize = random_resize(random, height, width);
  auto out = random_output<std::uint8_t>(random, 1, resize.height, resize.width, "out");
  out.expect(resized(image, resize));
  const double box[4] = {resize.box.x0, resize.box.y0, resize.box.x1, resize.box.y1};
  for_each_variant([&](bool) {
    out.clear();
    check_status(edgefer_crop_resize(image.rows, height, width, image.stride, box, resize.method, out.rows(),
                                     resize.height, resize.width, out.stride()));
    out.check();
  });
}

void stack_case(Random random) {
  const std::ptrdiff_t width = std::min<std::ptrdiff_t>(300, random_width(random)), height = random_height(random);
  const auto image = random_image(random, 0, height, width);
  const Resize resize = random_resize(random, height, width);
  const auto count = static_cast<int>(random.between(1, 4));
  int channels[4] = {0, 1, 2, 3};
  float multipliers[4], offsets[4];
  for (int c = 0; c < 4; ++c) {
    std::swap(channels[c], channels[random.between(c, 3)]);
    const double size = random.one_in(10) ? std::exp(random.real(-80, 80)) : random.real(0, 2);
    multipliers[c] = static_cast<float>(random.one_in(2) ? size : -size);
    offsets[c] = static_cast<float>(random.one_in(3) ? random.real(-1000, 1000)
                                                     : 0.5 * static_cast<double>(random.between(-300, 300)));
    if (random.one_in(4)) multipliers[c] = 0.5f;  // ties
    tell("  channel %d, multiplier %.9g, offset %.9g\n", channels[c], static_cast<double>(multipliers[c]),
         static_cast<double>(offsets[c]));
  }
  tell("  %d of them\n", count);
  Output<std::int8_t> out(random, 1, resize.height, resize.width * count, resize.width * count, "out");
  const auto grey = resized(image, resize);
  const auto edge = reference::Border::reflect101;
  const reference::Picture planes[] = {grey, reference::sobel_x(grey, edge), reference::sobel_y(grey, edge),
                                       reference::laplacian(grey, 1, edge)};
  for (std::ptrdiff_t y = 0; y < resize.height; ++y)
    for (std::ptrdiff_t x = 0; x < resize.width; ++x)
      for (int c = 0; c < count; ++c)
        out.expect(
            y, x * count + c,
            static_cast<std::int8_t>(reference::quantised(planes[channels[c]].at(y, x), multipliers[c], offsets[c])));
  const double box[4] = {resize.box.x0, resize.box.y0, resize.box.x1, resize.box.y1};
  for_each_variant([&](bool) {
    out.clear();
    check_status(edgefer_stack(image.rows, height, width, image.stride, box, resize.method, channels, multipliers,
                               offsets, count, out.rows(), resize.height, resize.width));
    out.check();
  });
}

// -------------------------------------------------------------------------------------------------------- dense layers

std::ptrdiff_t random_layer_size(Random& random) {
  return random.one_in(3) ? std::max<std::ptrdiff_t>(1, 8 * random.between(1, 6) + random.between(-1, 1))
                          : random.between(1, 20);
}

float* random_floats(Random& random, std::size_t arena_index, std::ptrdiff_t count, double size) {
  auto* values = placed<float>(random, arena_index, count);
  const bool sparse = random.one_in(6);
  for (std::ptrdiff_t i = 0; i < count; ++i)
    values[i] = sparse && random.one_in(2) ? 0.0f : static_cast<float>(random.real(-size, size));
  return values;
}

double activated(int activation, const std::vector<double>& logits, std::size_t o) {
  if (activation == EDGEFER_ACTIVATION_SIGMOID) return 1 / (1 + std::exp(-logits[o]));
  if (activation == EDGEFER_ACTIVATION_RELU) return std::max(0.0, logits[o]);
  if (activation == EDGEFER_ACTIVATION_SOFTMAX) {
    const double largest = *std::max_element(logits.begin(), logits.end());
    double total = 0;
    for (const double logit : logits) total += std::exp(logit - largest);
    return std::exp(logits[o] - largest) / total;
  }
  return logits[o];
}

// Sigmoid and softmax pass on at most the largest error of a logit, their slopes being below one; the exponential, the
// sum over the outputs and the division add a few roundings of results that are at most one.
double activated_bound(int activation, const std::vector<double>& bounds, std::size_t o) {
  if (activation == EDGEFER_ACTIVATION_NONE || activation == EDGEFER_ACTIVATION_RELU) return bounds[o];
  const double largest = *std::max_element(bounds.begin(), bounds.end());
  return largest + static_cast<double>(bounds.size() + 6) * std::ldexp(1.0, -23);
}

void fully_connected_case(Random random) {
  const std::ptrdiff_t batch = random.between(1, 5), inputs = random_layer_size(random),
                       outputs = random_layer_size(random);
  const auto activation = static_cast<int>(random.between(0, 3));
  const double size = random.one_in(10) ? std::exp(random.real(-45, 30)) : random.real(0.1, 3);
  tell("  batch %td, inputs %td, outputs %td, activation %d, size %g\n", batch, inputs, outputs, activation, size);
  const float* x = random_floats(random, 0, batch * inputs, size);
  const float* weights = random_floats(random, 1, outputs * inputs, size);
  const float* bias = random_floats(random, 2, outputs, random.one_in(4) ? 0 : size);
  Output<float> y(random, 3, batch, outputs, outputs, "y");
  for_each_variant([&](bool first) {
    y.clear();
    check_status(edgefer_fully_connected(x, batch, inputs, weights, bias, outputs, activation, y.rows()));
    for (std::ptrdiff_t n = 0; first && n < batch; ++n) {
      const auto exact = reference::fully_connected(x + n * inputs, weights, bias, inputs, outputs);
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        const auto i = static_cast<std::size_t>(o);
        const double wanted = activated(activation, exact.y, i), bound = activated_bound(activation, exact.bound, i);
        const double got = static_cast<double>(y.at(n, o));
        if (!(std::fabs(got - wanted) <= bound))
          mismatch("y[%td, %td] is %.9g, expected %.12g within %.3g", n, o, got, wanted, bound);
      }
    }
    if (first) y.expect_as_it_is();
    y.check();
  });
}

// An mlp is its layers one after the other; these are checked above.
void mlp_case(Random random) {
  const std::ptrdiff_t batch = random.between(1, 5), layer_count = random.between(1, 4);
  std::vector<std::ptrdiff_t> sizes;
  for (std::ptrdiff_t i = 0; i <= layer_count; ++i) sizes.push_back(random_layer_size(random));
  std::vector<edgefer_layer> layers;
  std::vector<std::vector<float>> memory;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    for (const std::ptrdiff_t count : {sizes[i] * sizes[i + 1], sizes[i + 1]}) {
      const float* values = random_floats(random, 0, count, random.real(0.1, 2));
      memory.emplace_back(values, values + count);
    }
  }
  const auto first_activation = random.between(0, 3);
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    const auto activation = static_cast<int>((first_activation + static_cast<std::ptrdiff_t>(i)) % 4);
    layers.push_back({memory[2 * i].data(), memory[2 * i + 1].data(), sizes[i], sizes[i + 1], activation});
    tell("  layer %td -> %td, activation %d\n", sizes[i], sizes[i + 1], activation);
  }
  tell("  batch %td\n", batch);
  const float* x = random_floats(random, 0, batch * sizes.front(), 2);
  Output<float> y(random, 1, batch, sizes.back(), sizes.back(), "y");
  for_each_variant([&](bool first) {
    if (first) {
      std::vector<float> from(x, x + batch * sizes.front());
      for (const edgefer_layer& layer : layers) {
        std::vector<float> to(static_cast<std::size_t>(batch * layer.outputs));
        check_status(edgefer_fully_connected(from.data(), batch, layer.inputs, layer.weights, layer.bias, layer.outputs,
                                             layer.activation, to.data()));
        from = to;
      }
      for (std::ptrdiff_t n = 0; n < batch; ++n)
        for (std::ptrdiff_t o = 0; o < sizes.back(); ++o)
          y.expect(n, o, from[static_cast<std::size_t>(n * sizes.back() + o)]);
    }
    y.clear();
    edgefer_mlp* mlp = nullptr;
    check_status(edgefer_mlp_create(layers.data(), layer_count, &mlp));
    check_status(edgefer_mlp_run(mlp, x, batch, y.rows()));
    edgefer_mlp_free(mlp);
    y.check();
  });
}

void fully_connected_int8_case(Random random) {
  const std::ptrdiff_t batch = random.between(1, 5), outputs = random_layer_size(random);
  const std::ptrdiff_t inputs = random.one_in(10) ? random.between(1, 300) : random_layer_size(random);
  auto* x = placed<std::int8_t>(random, 0, batch * inputs);
  auto* weights = placed<std::int8_t>(random, 1, outputs * inputs);
  auto* bias = placed<std::int32_t>(random, 2, outputs);
  fill_bytes(random, reinterpret_cast<std::uint8_t*>(x), batch * inputs);
  fill_bytes(random, reinterpret_cast<std::uint8_t*>(weights), outputs * inputs);
  const bool extreme = random.one_in(8);
  for (std::ptrdiff_t o = 0; o < outputs; ++o)
    bias[o] = static_cast<std::int32_t>(extreme ? random.between(INT32_MIN, INT32_MAX) : random.between(-20000, 20000));

  const bool own_scales = random.one_in(2);
  std::vector<float> scales;
  for (std::ptrdiff_t o = 0; o < (own_scales ? outputs : 1); ++o)
    scales.push_back(static_cast<float>(std::exp(extreme ? random.real(-40, 40) : random.real(-8, -1))));
  edgefer_quantisation q{};
  q.input_zero_point = static_cast<std::int32_t>(random.between(-128, 127));
  q.output_zero_point = static_cast<std::int32_t>(random.between(-128, 127));
  q.input_scale = static_cast<float>(std::exp(extreme ? random.real(-40, 40) : random.real(-6, 0)));
  q.output_scale = static_cast<float>(std::exp(extreme ? random.real(-40, 40) : random.real(-6, 0)));
  q.weight_scales = scales.data();
  q.weight_scale_count = static_cast<std::ptrdiff_t>(scales.size());
  q.clamp = static_cast<int>(random.between(0, 3));
  tell("  batch %td, inputs %td, outputs %td, zero points %d and %d, clamp %d, scales %.9g (%zu times %.9g ...) %.9g\n",
       batch, inputs, outputs, q.input_zero_point, q.output_zero_point, q.clamp, static_cast<double>(q.input_scale),
       scales.size(), static_cast<double>(scales[0]), static_cast<double>(q.output_scale));

  const auto end_of_range = [&](float value) {
    return std::round(static_cast<double>(value / q.output_scale)) + q.output_zero_point;
  };
  double low = -128, high = 127;
  if (q.clamp == EDGEFER_CLAMP_RELU || q.clamp == EDGEFER_CLAMP_RELU6) low = end_of_range(0);
  if (q.clamp == EDGEFER_CLAMP_RELU6) high = end_of_range(6);
  if (q.clamp == EDGEFER_CLAMP_RELU_N1_TO_1) low = end_of_range(-1), high = end_of_range(1);
  low = std::max(low, -128.0), high = std::min(high, 127.0);

  Output<std::int8_t> y(random, 3, batch, outputs, outputs, "y");
  for (std::ptrdiff_t n = 0; n < batch; ++n) {
    for (std::ptrdiff_t o = 0; o < outputs; ++o) {
      std::int64_t sum = bias[o];
      for (std::ptrdiff_t i = 0; i < inputs; ++i)
        sum += (x[n * inputs + i] - q.input_zero_point) * weights[o * inputs + i];
      const float product = q.input_scale * scales[0];  // one scale for all: the product is rounded to float
      const double real = own_scales && outputs > 1 ? static_cast<double>(q.input_scale) *
                                                          static_cast<double>(scales[static_cast<std::size_t>(o)])
                                                    : static_cast<double>(product);
      const auto factor = reference::quantised_multiplier(real / static_cast<double>(q.output_scale));
      const __int128 scaled = reference::scaled(static_cast<std::int32_t>(sum), factor) + q.output_zero_point;
      const auto clamped =
          std::min<__int128>(std::max<__int128>(scaled, static_cast<int>(low)), static_cast<int>(high));
      y.expect(n, o, static_cast<std::int8_t>(clamped));
    }
  }
  for_each_variant([&](bool) {
    y.clear();
    check_status(edgefer_fully_connected_int8(x, batch, inputs, weights, bias, outputs, &q, y.rows()));
    y.check();
  });
}

// ---------------------------------------------------------------------------------------------------------------- main

struct Operation {
  const char* name;  // of the case
  const char* op;    // whose variants run
  void (*run)(Random);
};

constexpr Operation operations[] = {
    {"sobel", "sobel", &sobel_case},
    {"laplacian", "laplacian", &laplacian_case},
    {"gradients", "gradients", &gradients_case},
    {"shi_tomasi", "shi_tomasi", &shi_tomasi_case},
    {"good_corners", "good_corners", &good_corners_case},
    {"flow", "flow", &flow_case},
    {"cascade", "cascade", &cascade_case},
    {"luma", "luma", &luma_case},
    {"crop_resize", "crop_resize", &crop_resize_case},
    {"stack", "stack", &stack_case},
    {"fully_connected", "fully_connected", &fully_connected_case},
    {"mlp", "fully_connected", &mlp_case},
    {"fully_connected_int8", "fully_connected_int8", &fully_connected_int8_case},
};

void begin(const Operation& operation, std::uint64_t number) {
  current.op = operation.op;
  current.number = number;
  run_case = operation.run;
}

std::uint64_t number_of(const char* flag, const char* text) {
  char* end = nullptr;
  const unsigned long long number = text ? std::strtoull(text, &end, 10) : 0;
  if (!text || !*text || *end) {
    std::fprintf(stderr, "differential: %s needs a whole number, got '%s'\n", flag, text ? text : "nothing");
    std::exit(2);
  }
  return number;
}

const Operation& operation_named(const std::string& name) {
  std::string known;
  for (const Operation& operation : operations) {
    if (name == operation.name) return operation;
    known += std::string(known.empty() ? "" : ", ") + operation.name;
  }
  std::fprintf(stderr, "differential: unknown operation '%s'; available: %s\n", name.c_str(), known.c_str());
  std::exit(2);
}

void check_all_operations_have_cases() {
  for (const char* const* op = edgefer_operations(); *op; ++op) {
    const bool found = std::any_of(std::begin(operations), std::end(operations),
                                   [&](const Operation& operation) { return std::strcmp(operation.op, *op) == 0; });
    if (!found) {
      std::fprintf(stderr, "differential: no cases for '%s'\n", *op);
      std::exit(2);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t cases = 1000000, seed = 1, replayed = 0;
  bool replay = false;
  std::vector<const Operation*> chosen;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--cases") {
      cases = number_of("--cases", argv[++i]);
    } else if (argument == "--seed") {
      seed = number_of("--seed", argv[++i]);
    } else if (argument == "--replay") {
      replay = true;
      replayed = number_of("--replay", argv[++i]);
    } else {
      chosen.push_back(&operation_named(argument));
    }
  }
  check_all_operations_have_cases();
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) std::signal(signal, &on_signal);

  if (replay) {
    if (chosen.size() != 1) {
      std::fprintf(stderr, "differential: --replay needs one operation\n");
      return 2;
    }
    current.told = true;
    begin(*chosen[0], replayed);
    run_case(Random{replayed});
    std::printf("%s: agrees\n", chosen[0]->name);
    return 0;
  }
  if (chosen.empty())
    for (const Operation& operation : operations) chosen.push_back(&operation);

  std::printf("%-22s %-28s %12s %12s\n", "operation", "variants", "cases each", "cases/s");
  for (const Operation* operation : chosen) {
    Random numbers{seed ^ static_cast<std::uint64_t>(operation - operations) << 32};
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < cases; ++i) {
      begin(*operation, numbers.next());
      operation->run(Random{current.number});
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    std::string variants;
    for (const char* const* name = edgefer_variants(operation->op); *name; ++name)
      variants += (variants.empty() ? "" : " ") + std::string(*name);
    std::printf("%-22s %-28s %12llu %12.0f\n", operation->name, variants.c_str(),
                static_cast<unsigned long long>(cases), static_cast<double>(cases) / passed.count());
    std::fflush(stdout);
  }
  return 0;
}
