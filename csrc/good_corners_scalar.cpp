#include <algorithm>   // std::sort, std::nth_element, std::remove_if
#include <functional>  // std::greater

#include "good_corners.h"

namespace edgefer {
namespace {

// Once a corner is accepted, its score is no longer needed and the chain of its cell takes the place.
struct Accepted {
  std::int32_t place;  // y * width + x
  std::int32_t next;   // index of the next accepted corner in the same cell, or -1
};
static_assert(sizeof(Accepted) == sizeof(CornerKey) && sizeof(Accepted) == sizeof(Corner));

std::int32_t place_of(CornerKey key) { return static_cast<std::int32_t>(key & 0xFFFFFFFF); }

std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

// Every pixel of a flat image may be a local maximum. Memory that is not reached is not touched.
std::size_t keys_bytes(std::ptrdiff_t height, std::ptrdiff_t width) {
  return aligned(sizeof(CornerKey) * static_cast<std::size_t>(height * width));
}

// A ring of rows of scores, of one tile of the walk.
constexpr std::ptrdiff_t score_row = shi_tomasi_tile + 64;  // elements
constexpr std::ptrdiff_t score_rows_in_ring = 4;
constexpr std::size_t ring_bytes = sizeof(float) * score_row * score_rows_in_ring;

// The accepted corners by square cells: whatever is nearer than min_distance lies in the 3 x 3 cells around. A
// cell is as long as whole pixels can lie too near, at least 4, so that there are few of them, and at most the image.
struct Grid {
  std::int32_t* first;  // by cell: index of its last accepted corner, or -1
  std::int32_t side;
  std::int32_t columns;
  std::int32_t rows;
};
constexpr std::int32_t least_side = 4;

std::size_t grid_bytes(std::ptrdiff_t height, std::ptrdiff_t width) {
  const auto cells = [](std::ptrdiff_t size) { return static_cast<std::size_t>((size + least_side - 1) / least_side); };
  return aligned(sizeof(std::int32_t) * cells(height) * cells(width));
}

bool crowded(const Grid& grid, const Accepted* accepted, std::int32_t width, std::int32_t x, std::int32_t y,
             double min_distance) {
  const std::int32_t column = x / grid.side, row = y / grid.side;
  for (std::int32_t r = std::max(0, row - 1); r <= std::min(grid.rows - 1, row + 1); ++r)
    for (std::int32_t c = std::max(0, column - 1); c <= std::min(grid.columns - 1, column + 1); ++c)
      for (std::int32_t i = grid.first[r * grid.columns + c]; i >= 0; i = accepted[i].next) {
        const double dx = x - accepted[i].place % width, dy = y - accepted[i].place / width;
        if (dx * dx + dy * dy < min_distance * min_distance) return true;
      }
  return false;
}

float best_scalar(std::ptrdiff_t width, const float* scores, const std::uint8_t* mask) {
  float best = 0.0f;
  for (std::ptrdiff_t x = 0; x < width; ++x)
    if (!mask || mask[x] != 0) best = std::max(best, scores[x]);
  return best;
}

std::ptrdiff_t peaks_scalar(std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask, float threshold,
                            std::int32_t place, CornerKey* keys) {
  return corner_peaks(1, width, rows, mask, threshold, place, keys);
}

// What is known of the corners while the image is walked through.
struct Found {
  CornerKey* keys;
  std::ptrdiff_t count;
  float best;       // score so far
  float threshold;  // by the best score so far; the final one is never lower
};

// The local maxima in columns [begin, end). A row is searched one step after the row below is
// there: what has just been stored is slow to read at odd addresses.
void find_peaks(ImageU8 image, ImageU8 mask, const CornerLimits& limits, std::ptrdiff_t begin, std::ptrdiff_t end,
                char* scratch, const ShiTomasiRows& score_rows, const CornerRows& rows, Found& found) {
  auto* const ring = reinterpret_cast<float*>(scratch);
  ShiTomasiWalk walk(image, begin, end, limits.block_size, Border::reflect101, scratch + ring_bytes, score_rows);
  // The columns beside the tile compete.
  const std::ptrdiff_t first = std::max<std::ptrdiff_t>(0, begin - 1), last = std::min(end + 1, image.width);
  const auto scores_of = [&](std::ptrdiff_t y) {
    return ring + (y & (score_rows_in_ring - 1)) * score_row + (first - walk.first_scored());
  };
  const auto mask_of = [&](std::ptrdiff_t y) { return mask.data ? mask.data + y * mask.row_stride + first : nullptr; };
  for (std::ptrdiff_t y = 0; y <= image.height; ++y) {
    if (y < image.height) walk.next(ring + (y & (score_rows_in_ring - 1)) * score_row);
    if (y < 1) continue;
    found.best = std::max(found.best, rows.best(last - first, scores_of(y - 1), mask_of(y - 1)));
    found.threshold = static_cast<float>(found.best * limits.quality_level);
    if (y < 3) continue;  // the outermost rows only compete
    found.count +=
        rows.peaks(last - first, {scores_of(y - 3), scores_of(y - 2), scores_of(y - 1)}, mask_of(y - 2),
                   found.threshold, static_cast<std::int32_t>((y - 2) * image.width + first), found.keys + found.count);
  }
}

}  // namespace

const CornerRows corner_rows_scalar = {&best_scalar, &peaks_scalar};

std::ptrdiff_t corner_peaks(std::ptrdiff_t begin, std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask,
                            float threshold, std::int32_t place, CornerKey* keys) {
  const auto [above, here, below] = rows;
  std::ptrdiff_t count = 0;
  for (std::ptrdiff_t x = begin; x < width - 1; ++x) {
    const float value = here[x];
    if (value <= threshold || value < here[x - 1] || value < here[x + 1]) continue;
    if (value < above[x - 1] || value < above[x] || value < above[x + 1]) continue;
    if (value < below[x - 1] || value < below[x] || value < below[x + 1]) continue;
    if (mask && mask[x] == 0) continue;
    keys[count++] = corner_key(value, place + x);
  }
  return count;
}

std::size_t good_corners_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, int block_size) {
  const std::size_t rows = ring_bytes + shi_tomasi_scratch_bytes(width, block_size);
  return keys_bytes(height, width) + std::max(rows, grid_bytes(height, width));
}

std::ptrdiff_t good_corners_by_rows(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch,
                                    const ShiTomasiRows& score_rows, const CornerRows& rows) {
  const std::ptrdiff_t height = image.height, width = image.width;
  auto* const keys = static_cast<CornerKey*>(scratch);
  char* const after_keys = static_cast<char*>(scratch) + keys_bytes(height, width);

  Found found{keys, 0, 0.0f, 0.0f};
  for (std::ptrdiff_t begin = 0; begin < width; begin += shi_tomasi_tile)
    find_peaks(image, mask, limits, begin, std::min(begin + shi_tomasi_tile, width), after_keys, score_rows, rows,
               found);
  const CornerKey least = corner_key(found.threshold, -1) + 1;  // of the next greater score
  const std::ptrdiff_t count =
      std::remove_if(keys, keys + found.count, [least](CornerKey key) { return key < least; }) - keys;

  const std::ptrdiff_t limit = limits.max_corners > 0 ? std::min(limits.max_corners, count) : count;
  const bool apart = limits.min_distance >= 1;
  Grid grid{reinterpret_cast<std::int32_t*>(after_keys), 0, 0, 0};  // in place of the rows, which are done with
  if (apart) {
    const auto longest = static_cast<double>(std::max(height, width));
    grid.side = std::max(least_side, static_cast<std::int32_t>(std::min(limits.min_distance, longest)));
    grid.columns = static_cast<std::int32_t>((width + grid.side - 1) / grid.side);
    grid.rows = static_cast<std::int32_t>((height + grid.side - 1) / grid.side);
    std::fill_n(grid.first, static_cast<std::size_t>(grid.columns) * grid.rows, -1);
  }

  // Sorted in growing parts, as far as they are needed. Accepted corners take the place of keys already read.
  auto* const accepted = static_cast<Accepted*>(scratch);
  const auto columns = static_cast<std::int32_t>(width);
  std::ptrdiff_t accepted_count = 0, sorted = 0, part = std::max<std::ptrdiff_t>(64, 2 * limit);
  for (std::ptrdiff_t i = 0; i < count && accepted_count < limit; ++i) {
    if (i == sorted) {
      sorted = part < count - sorted ? sorted + part : count;
      if (sorted < count) std::nth_element(keys + i, keys + sorted, keys + count, std::greater<CornerKey>());
      std::sort(keys + i, keys + sorted, std::greater<CornerKey>());
      part *= 2;
    }
    const std::int32_t place = place_of(keys[i]), x = place % columns, y = place / columns;
    std::int32_t next = -1;
    if (apart) {
      if (crowded(grid, accepted, columns, x, y, limits.min_distance)) continue;
      std::int32_t& first = grid.first[y / grid.side * grid.columns + x / grid.side];
      next = first;
      first = static_cast<std::int32_t>(accepted_count);
    }
    accepted[accepted_count++] = {place, next};
  }

  auto* const corners = static_cast<Corner*>(scratch);
  for (std::ptrdiff_t i = 0; i < accepted_count; ++i) {
    const std::int32_t place = accepted[i].place;
    corners[i] = {place % columns, place / columns};
  }
  return accepted_count;
}

std::ptrdiff_t good_corners_u8_scalar(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_rows(image, mask, limits, scratch, shi_tomasi_rows_scalar, corner_rows_scalar);
}

}  // namespace edgefer
