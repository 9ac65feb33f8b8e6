#include "cascade/cascade.h"

#include <algorithm>  // std::copy_n, std::fill_n
#include <cmath>
#include <cstring>  // std::memmove
#include <stdexcept>
#include <string>

namespace edgefer {
namespace {

void require(bool condition, const std::string& name, const std::string& rule) {
  if (!condition) throw std::invalid_argument("cascade: " + name + " must " + rule);
}

bool finite(const float* values, std::ptrdiff_t count) {
  return std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
}

void place(const std::int8_t (&rectangle)[4], int step, std::int32_t (&corners)[4]) {
  for (int i = 0; i < 4; ++i) corners[i] = cascade_offset(rectangle[i % 2 * 2], rectangle[i / 2 * 2 + 1], step);
}

}  // namespace

CascadeModel::CascadeModel(const CascadeArrays& arrays) {
  const auto side = [](int pixels) { return pixels >= 3 && pixels <= cascade_max_side; };
  require(side(arrays.width) && side(arrays.height), "window",
          "be 3 to " + std::to_string(cascade_max_side) + " pixels a side, got " + std::to_string(arrays.width) +
              " x " + std::to_string(arrays.height));
  require(arrays.stages > 0, "stages", "not be empty");
  require(finite(arrays.weights, 6 * arrays.trees), "weights", "be finite");
  require(finite(arrays.thresholds, 2 * arrays.trees), "thresholds", "be finite");
  require(finite(arrays.leaves, 4 * arrays.trees), "leaves", "be finite");
  require(finite(arrays.stage_thresholds, arrays.stages), "stage thresholds", "be finite");
  std::ptrdiff_t counted = 0;
  for (std::ptrdiff_t s = 0; s < arrays.stages; ++s) {
    require(arrays.stage_trees[s] > 0, "stages", "have at least one tree each");
    stages_.push_back({arrays.stage_trees[s], arrays.stage_thresholds[s]});
    counted += arrays.stage_trees[s];
  }
  require(counted == arrays.trees, "stages",
          "have " + std::to_string(arrays.trees) + " trees together, got " + std::to_string(counted));

  cascade_ = {arrays.width, arrays.height, arrays.stages, stages_.data(), {}, {}};
  for (const int step : {1, 2}) {
    auto& trees = trees_[step - 1];
    trees.resize(static_cast<std::size_t>(arrays.trees));
    for (std::ptrdiff_t t = 0; t < arrays.trees; ++t) {
      CascadeTree& tree = trees[static_cast<std::size_t>(t)];
      for (std::ptrdiff_t n = 0; n < 2; ++n) {
        CascadeNode& node = tree.nodes[n];
        const std::ptrdiff_t at = 2 * t + n;
        for (std::ptrdiff_t r = 0; r < 3; ++r) {
          std::int8_t rectangle[4];
          std::copy_n(arrays.rectangles + (3 * at + r) * 4, 4, rectangle);
          const auto [left, top, right, bottom] = rectangle;
          require(0 <= left && left <= right && right <= arrays.width && 0 <= top && top <= bottom &&
                      bottom <= arrays.height,
                  "rectangles",
                  "lie in the window, got " + std::to_string(left) + ", " + std::to_string(top) + ", " +
                      std::to_string(right) + ", " + std::to_string(bottom));
          place(rectangle, step, node.corners[r]);
        }
        std::copy_n(arrays.weights + 3 * at, 3, node.weights);
        node.threshold = arrays.thresholds[at];
      }
      std::copy_n(arrays.leaves + 4 * t, 4, tree.leaves);
      tree.deeper = tree.leaves[0] != tree.leaves[1] || tree.leaves[2] != tree.leaves[3];
    }
    cascade_.trees[step - 1] = trees.data();
    place({1, 1, static_cast<std::int8_t>(arrays.width - 1), static_cast<std::int8_t>(arrays.height - 1)}, step,
          cascade_.inner[step - 1].corners);
    cascade_.inner[step - 1].area = (arrays.width - 2) * (arrays.height - 2);
  }
}

namespace {

constexpr std::ptrdiff_t word = 64;                                      // windows in a word of bits
constexpr std::ptrdiff_t words = (cascade_max_width + word - 1) / word;  // for a row of them
constexpr std::ptrdiff_t half = cascade_pitch / 2;

// Parts of the scratch, each a whole number of cache lines.
struct Layout {
  std::ptrdiff_t across, down;  // windows
  std::ptrdiff_t kept;          // rows of an integral image in memory
  std::size_t found_bytes, integral_bytes;

  Layout(std::ptrdiff_t height, std::ptrdiff_t width, const Cascade& cascade, int step)
      : across((width - cascade.width) / step + 1),
        down((height - cascade.height) / step + 1),
        kept(3 * (cascade.height + 1)),
        found_bytes((sizeof(Corner) * across * down + 63) / 64 * 64),
        integral_bytes(sizeof(std::int32_t) * kept * cascade_pitch) {}
};
static_assert(sizeof(std::int32_t) * cascade_pitch % 64 == 0);

// Row y + 1 of the integral images, from row y and row y of the image; sums wrap. With a step of 2 the even columns
// stand before the odd ones.
void add_row(const std::uint8_t* pixels, std::ptrdiff_t width, int step, const std::int32_t* above,
             const std::int32_t* above_squares, std::int32_t* sums, std::int32_t* squares) {
  std::uint32_t sum = 0, square = 0;
  const auto add = [&](std::ptrdiff_t x, std::ptrdiff_t at) {
    const std::uint32_t pixel = pixels[x];
    sum += pixel;
    square += pixel * pixel;
    sums[at] = static_cast<std::int32_t>(static_cast<std::uint32_t>(above[at]) + sum);
    squares[at] = static_cast<std::int32_t>(static_cast<std::uint32_t>(above_squares[at]) + square);
  };
  // A block reads past the last window; what comes of that is dropped, but should not be unset.
  const auto end_at = [&](std::ptrdiff_t at) {
    std::fill_n(sums + at, cascade_block, 0);
    std::fill_n(squares + at, cascade_block, 0);
  };
  sums[0] = squares[0] = 0;
  if (step == 1) {
    for (std::ptrdiff_t x = 0; x < width; ++x) add(x, x + 1);
    return end_at(width + 1);
  }
  for (std::ptrdiff_t pair = 0; pair < width / 2; ++pair) {
    add(2 * pair, half + pair);
    add(2 * pair + 1, pair + 1);
  }
  if (width % 2) add(width - 1, half + width / 2);
  end_at(width / 2 + 1);
  end_at(half + (width + 1) / 2);
}

// The windows of a word that are skipped: each to the right of one that is looked at and refused by the first stage.
// `carry` is whether the word's first one is, and on return whether the next word's is.
std::uint64_t skipped(std::uint64_t refused, bool& carry) {
  std::uint64_t skips = carry;
  std::uint64_t left = refused & ~skips;
  carry = false;
  while (left) {
    const std::uint64_t one = left & -left;
    skips |= one << 1;
    left &= ~(one | one << 1);
    carry = one >> (word - 1);
  }
  return skips;
}

}  // namespace

std::int32_t cascade_offset(int x, int y, int step) {
  return static_cast<std::int32_t>(y * cascade_pitch + (step == 1 ? x : x / 2 + x % 2 * half));
}

std::size_t cascade_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, const Cascade& cascade, int step) {
  const Layout layout(height, width, cascade, step);
  return layout.found_bytes + 2 * layout.integral_bytes + sizeof(float) * words * word;
}

std::ptrdiff_t cascade_by_rows(ImageU8 image, const Cascade& cascade, int step, void* scratch,
                               const CascadeSteps& steps) {
  const Layout layout(image.height, image.width, cascade, step);
  const std::ptrdiff_t across = layout.across;
  char* memory = static_cast<char*>(scratch);
  auto* accepted = reinterpret_cast<Corner*>(memory);
  auto* sums = reinterpret_cast<std::int32_t*>(memory += layout.found_bytes);
  auto* squares = reinterpret_cast<std::int32_t*>(memory += layout.integral_bytes);
  auto* reciprocals = reinterpret_cast<float*>(memory + layout.integral_bytes);
  const CascadeTree* const first_trees = cascade.trees[step - 1];
  const CascadeStage& first_stage = cascade.stages[0];

  for (std::int32_t* row_above : {sums, squares}) std::fill_n(row_above, cascade_pitch, 0);

  std::ptrdiff_t count = 0, rows_added = 0;  // windows found; rows of the image summed up
  std::ptrdiff_t bottom = 0;                 // where in memory the last row of the integral images is
  for (std::ptrdiff_t y = 0; y < layout.down * step; y += step) {
    for (; rows_added < y + cascade.height; ++rows_added) {
      if (bottom + 1 == layout.kept) {
        bottom = cascade.height;
        const std::ptrdiff_t moved = (layout.kept - 1 - bottom) * cascade_pitch;
        for (std::int32_t* rows : {sums, squares})
          std::memmove(rows, rows + moved, sizeof(std::int32_t) * (bottom + 1) * cascade_pitch);
      }
      const std::ptrdiff_t above = bottom++ * cascade_pitch, here = above + cascade_pitch;
      add_row(image.data + rows_added * image.row_stride, image.width, step, sums + above, squares + above, sums + here,
              squares + here);
    }
    const std::ptrdiff_t top = (bottom - cascade.height) * cascade_pitch;
    const auto windows = [&](std::ptrdiff_t first) {
      return CascadeWindows{sums + top + first, squares + top + first};
    };

    std::uint64_t refused[words], alive[words];
    std::fill_n(refused, words, 0);
    std::fill_n(alive, words, 0);
    for (std::ptrdiff_t first = 0; first < across; first += cascade_block) {
      const unsigned inside = across - first < cascade_block ? (1u << (across - first)) - 1 : 0xff;
      const unsigned clear = inside & steps.contrast(windows(first), cascade.inner[step - 1], reciprocals + first);
      if (!clear) continue;
      const unsigned passed = clear & steps.stage(windows(first), first_trees, first_stage.trees, first_stage.threshold,
                                                  reciprocals + first, clear);
      refused[first / word] |= static_cast<std::uint64_t>(clear & ~passed) << first % word;
      alive[first / word] |= static_cast<std::uint64_t>(passed) << first % word;
    }

    bool carry = false;
    for (std::ptrdiff_t w = 0; w * word < across; ++w) {
      const std::uint64_t left = alive[w] & ~skipped(refused[w], carry);
      for (std::ptrdiff_t shift = 0; shift < word && left >> shift; shift += cascade_block) {
        const std::ptrdiff_t first = w * word + shift;
        auto bits = static_cast<unsigned>(left >> shift & 0xff);
        const CascadeTree* trees = first_trees + first_stage.trees;
        for (std::ptrdiff_t s = 1; bits && s < cascade.stage_count; ++s) {
          const CascadeStage& stage = cascade.stages[s];
          bits &= steps.stage(windows(first), trees, stage.trees, stage.threshold, reciprocals + first, bits);
          trees += stage.trees;
        }
        for (; bits; bits &= bits - 1)
          accepted[count++] = {static_cast<std::int32_t>((first + __builtin_ctz(bits)) * step),
                               static_cast<std::int32_t>(y)};
      }
    }
  }
  return count;
}

}  // namespace edgefer
