#include <algorithm>  // std::sort, std::min, std::max
#include <cmath>      // std::nearbyint

#include "good_corners.h"

namespace edgefer {
namespace {

// A local maximum. Once it is accepted, its score is no longer needed and `next` takes its place.
struct Candidate {
  union {
    float score;
    std::int32_t next;  // index of the next accepted corner in the same cell, or -1
  };
  std::int32_t offset;  // y * width + x
};

// Best score first; among equals the later pixel, as OpenCV orders them.
bool better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.offset > b.offset;
}

std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

std::size_t candidates_bytes(std::ptrdiff_t height, std::ptrdiff_t width) {
  return aligned(sizeof(Candidate) * static_cast<std::size_t>(height * width));
}

// The accepted corners by cell of side `side`: whatever is nearer than min_distance lies in the 3 x 3 cells around.
struct Grid {
  std::int32_t* first;  // by cell: index of its last accepted corner, or -1
  std::int32_t side;
  std::int32_t columns;
  std::int32_t rows;
};

bool crowded(const Grid& grid, const Candidate* accepted, std::int32_t width, std::int32_t x, std::int32_t y,
             double min_distance) {
  const std::int32_t column = x / grid.side, row = y / grid.side;
  for (std::int32_t r = std::max(0, row - 1); r <= std::min(grid.rows - 1, row + 1); ++r)
    for (std::int32_t c = std::max(0, column - 1); c <= std::min(grid.columns - 1, column + 1); ++c)
      for (std::int32_t i = grid.first[r * grid.columns + c]; i >= 0; i = accepted[i].next) {
        const double dx = x - accepted[i].offset % width, dy = y - accepted[i].offset / width;
        if (dx * dx + dy * dy < min_distance * min_distance) return true;
      }
  return false;
}

}  // namespace

std::size_t good_corners_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, int block_size) {
  return candidates_bytes(height, width) + aligned(sizeof(float) * static_cast<std::size_t>(height * width)) +
         shi_tomasi_scratch_bytes(width, block_size);
}

std::ptrdiff_t good_corners_by_score(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch,
                                     ShiTomasiFn shi_tomasi) {
  const std::ptrdiff_t height = image.height, width = image.width;
  auto* const candidates = static_cast<Candidate*>(scratch);
  char* const after_candidates = static_cast<char*>(scratch) + candidates_bytes(height, width);
  auto* const score = reinterpret_cast<float*>(after_candidates);
  char* const after_score = after_candidates + aligned(sizeof(float) * static_cast<std::size_t>(height * width));

  shi_tomasi(image, limits.block_size, Border::reflect101, {score, height, width, width}, after_score);

  const auto allowed = [&](std::ptrdiff_t y, std::ptrdiff_t x) {
    return !mask.data || mask.data[y * mask.row_stride + x] != 0;
  };
  float best = 0.0f;
  for (std::ptrdiff_t y = 0; y < height; ++y)
    for (std::ptrdiff_t x = 0; x < width; ++x)
      if (allowed(y, x)) best = std::max(best, score[y * width + x]);
  const auto threshold = static_cast<float>(best * limits.quality_level);

  // The outermost pixels are never corners; they only compete.
  std::ptrdiff_t count = 0;
  for (std::ptrdiff_t y = 1; y < height - 1; ++y) {
    const float* const here = score + y * width;
    for (std::ptrdiff_t x = 1; x < width - 1; ++x) {
      const float value = here[x];
      if (value <= threshold || value < here[x - 1] || value < here[x + 1]) continue;
      const float* const above = here - width + x;
      const float* const below = here + width + x;
      if (value < above[-1] || value < above[0] || value < above[1]) continue;
      if (value < below[-1] || value < below[0] || value < below[1]) continue;
      if (!allowed(y, x)) continue;
      candidates[count].score = value;
      candidates[count++].offset = static_cast<std::int32_t>(y * width + x);
    }
  }
  std::sort(candidates, candidates + count, better);

  const std::ptrdiff_t limit = limits.max_corners > 0 ? std::min(limits.max_corners, count) : count;
  std::ptrdiff_t accepted = 0;
  if (limits.min_distance < 1) {
    accepted = limit;
  } else {
    // Ties to even, as OpenCV rounds; no cell need be longer than the image. The score's memory is free by now.
    const double longest = static_cast<double>(std::max(height, width));
    Grid grid;
    grid.side = static_cast<std::int32_t>(std::min(std::nearbyint(limits.min_distance), longest));
    grid.columns = static_cast<std::int32_t>((width + grid.side - 1) / grid.side);
    grid.rows = static_cast<std::int32_t>((height + grid.side - 1) / grid.side);
    grid.first = reinterpret_cast<std::int32_t*>(after_candidates);
    std::fill_n(grid.first, static_cast<std::size_t>(grid.columns) * grid.rows, -1);
    const auto columns = static_cast<std::int32_t>(width);
    for (std::ptrdiff_t i = 0; i < count && accepted < limit; ++i) {
      const std::int32_t offset = candidates[i].offset, x = offset % columns, y = offset / columns;
      if (crowded(grid, candidates, columns, x, y, limits.min_distance)) continue;
      std::int32_t& first = grid.first[y / grid.side * grid.columns + x / grid.side];
      candidates[accepted].offset = offset;
      candidates[accepted].next = first;
      first = static_cast<std::int32_t>(accepted++);
    }
  }

  // A corner takes the place of its candidate: both are 8 bytes.
  static_assert(sizeof(Corner) == sizeof(Candidate));
  auto* const corners = static_cast<Corner*>(scratch);
  for (std::ptrdiff_t i = 0; i < accepted; ++i) {
    const std::ptrdiff_t offset = candidates[i].offset;
    corners[i] = {static_cast<std::int32_t>(offset % width), static_cast<std::int32_t>(offset / width)};
  }
  return accepted;
}

std::ptrdiff_t good_corners_u8_scalar(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_score(image, mask, limits, scratch, &shi_tomasi_u8_f32_scalar);
}

}  // namespace edgefer
