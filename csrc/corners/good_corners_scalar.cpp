#include <algorithm>   // std::sort, std::nth_element
#include <cstdlib>     // std::abs
#include <functional>  // std::greater
#include <limits>

#include "corners/rows.h"

namespace edgefer {
namespace {

static_assert(sizeof(Corner) == sizeof(CornerKey));  // corners take the place of keys already read

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

// Which pixels are nearer than min_distance to an accepted corner: a bit for each, by place, so that a look at one
// bit decides on a pixel. All corners together mark each bit a few times at most, as they are apart.
class Neighbourhoods {
 public:
  static std::size_t bytes(std::ptrdiff_t height, std::ptrdiff_t width) {
    return bits_bytes(height, width) + aligned(sizeof(std::int32_t) * static_cast<std::size_t>(height));
  }

  Neighbourhoods(std::ptrdiff_t height, std::ptrdiff_t width, double min_distance, char* scratch)
      : height_(static_cast<std::int32_t>(height)),
        width_(static_cast<std::int32_t>(width)),
        bits_(reinterpret_cast<std::uint8_t*>(scratch)),
        reach_(reinterpret_cast<std::int32_t*>(scratch + bits_bytes(height, width))) {
    std::memset(bits_, 0, bits_bytes(height, width));
    const auto near = [min_distance](double dx, double dy) { return dx * dx + dy * dy < min_distance * min_distance; };
    auto dx = static_cast<std::int32_t>(std::min(min_distance, static_cast<double>(width - 1)));
    for (; rows_ < height_; reach_[rows_++] = dx) {
      while (dx >= 0 && !near(dx, rows_)) --dx;
      if (dx < 0) break;
    }
  }

  bool has(std::int32_t place) const { return bits_[place >> 3] >> (place & 7) & 1; }

  void add(Corner corner) {
    const Neighbourhoods here = *this;  // a copy: the bytes that are written could be members of the object itself
    const std::int32_t first = corner.y * here.width_;
    for (std::int32_t r = 0; r < here.rows_; ++r) {
      const std::int32_t begin = std::max(corner.x - here.reach_[r], 0);
      const std::int32_t count = std::min(corner.x + here.reach_[r] + 1, here.width_) - begin;
      if (r <= corner.y) here.mark(first - r * here.width_ + begin, count);
      if (r < here.height_ - corner.y) here.mark(first + r * here.width_ + begin, count);
    }
  }

 private:
  // Of the bits, and what eight bytes beginning with the last of them reach.
  static std::size_t bits_bytes(std::ptrdiff_t height, std::ptrdiff_t width) {
    return aligned(static_cast<std::size_t>(height * width) / 8 + 8);
  }

  void mark(std::int32_t first, std::int32_t count) const {
    constexpr std::int32_t most = 56;  // they fit in eight bytes from any bit of the first on
    for (; count > most; first += most, count -= most) mark_few(first, most);
    mark_few(first, count);
  }

  void mark_few(std::int32_t first, std::int32_t count) const {
    std::uint8_t* const from = bits_ + (first >> 3);
    std::uint64_t eight;
    std::memcpy(&eight, from, sizeof eight);
    eight |= ((std::uint64_t{1} << count) - 1) << (first & 7);
    std::memcpy(from, &eight, sizeof eight);
  }

  const std::int32_t height_, width_;
  std::uint8_t* const bits_;
  std::int32_t* const reach_;  // by rows further up or down: as many columns to the left and to the right are near
  std::int32_t rows_ = 0;      // with a reach
};

std::ptrdiff_t peaks_scalar(std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask, float threshold,
                            std::int32_t place, CornerKey* keys, float& best) {
  best = best_corner(0, width, rows.here, mask, best);
  return corner_peaks(1, width, rows, mask, threshold, place, keys);
}

// What is known of the corners while the image is walked through.
struct Candidates {
  CornerKey* keys;
  std::ptrdiff_t count;
  float best;  // score so far
};

// The local maxima in columns [begin, end). A row is searched one step after the row below is
// there: what has just been stored is slow to read at odd addresses.
void find_peaks(ImageU8 image, ImageU8 mask, const CornerLimits& limits, std::ptrdiff_t begin, std::ptrdiff_t end,
                char* scratch, const ShiTomasiRows& score_rows, CornerPeaks peaks, Candidates& candidates) {
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
    const auto search = [&](ScoreRows rows, std::ptrdiff_t here, float threshold) {
      return peaks(last - first, rows, mask_of(here), threshold, static_cast<std::int32_t>(here * image.width + first),
                   candidates.keys + candidates.count, candidates.best);
    };
    if (y == 1 || y == image.height) {  // the outermost rows only compete
      const float* const outermost = scores_of(y - 1);
      search({outermost, outermost, outermost}, y - 1, std::numeric_limits<float>::infinity());
    }
    if (y < 3) continue;
    candidates.count += search({scores_of(y - 3), scores_of(y - 2), scores_of(y - 1)}, y - 2,
                               static_cast<float>(candidates.best * limits.quality_level));
  }
}

// The local maxima by strips. Rows that only compete lie above and below those that are searched, a column of the strip
// on either side of them.
constexpr std::ptrdiff_t searched_columns = shi_tomasi_strip - 4, searched_rows = shi_tomasi_band - 2;
constexpr std::size_t scores_bytes = sizeof(float) * shi_tomasi_strip * shi_tomasi_band;
constexpr std::size_t list_bytes = sizeof(std::int32_t) * shi_tomasi_strip * shi_tomasi_band;
constexpr std::size_t strips_bytes = scores_bytes + list_bytes + shi_tomasi_strip_scratch;

void find_peaks(ImageU8 image, const CornerLimits& limits, char* scratch, const CornerStrips& strips,
                Candidates& candidates) {
  auto* const scores = reinterpret_cast<float*>(scratch);
  auto* const list = reinterpret_cast<std::int32_t*>(scratch + scores_bytes);
  for (std::ptrdiff_t begin = 1; begin < image.height - 1; begin += searched_rows) {
    const std::ptrdiff_t count = std::min(searched_rows, image.height - 1 - begin);
    std::ptrdiff_t done = 1;  // columns before this one are
    for (std::ptrdiff_t first = -1; first < image.width; first = next_strip(first, searched_columns, image.width)) {
      strips.score(image, Border::reflect101, first, begin - 1, begin + count + 1, scores,
                   scratch + scores_bytes + list_bytes);
      std::uint32_t allowed = 0;
      for (int i = 0; i < shi_tomasi_strip; ++i) {
        const std::ptrdiff_t column = strips.columns[i];
        allowed |= std::uint32_t{column > 1 && column < shi_tomasi_strip - 2 && first + column >= done} << i;
      }
      const auto threshold = static_cast<float>(candidates.best * limits.quality_level);
      const std::ptrdiff_t peaks = strips.peaks(scores, count, allowed, threshold, candidates.best, list);
      for (std::ptrdiff_t i = 0; i < peaks; ++i) {
        const std::ptrdiff_t y = begin - 1 + list[i] / shi_tomasi_strip;
        const std::ptrdiff_t x = first + strips.columns[list[i] % shi_tomasi_strip];
        candidates.keys[candidates.count++] = corner_key(scores[list[i]], y * image.width + x);
      }
      done = first + shi_tomasi_strip - 2;
    }
  }
}

char* behind_keys(ImageU8 image, void* scratch) {
  return static_cast<char*>(scratch) + keys_bytes(image.height, image.width);
}

std::ptrdiff_t best_corners(ImageU8 image, CornerLimits limits, const Candidates& candidates, void* scratch) {
  const std::ptrdiff_t height = image.height, width = image.width;
  CornerKey* const keys = candidates.keys;
  // Those of the next greater score than the final threshold: it was lower while the best was not yet found.
  const CornerKey least = corner_key(static_cast<float>(candidates.best * limits.quality_level), -1) + 1;
  std::ptrdiff_t count = 0;
  for (std::ptrdiff_t i = 0; i < candidates.count; ++i) {
    const CornerKey key = keys[i];
    keys[count] = key;
    count += key >= least;
  }

  const std::ptrdiff_t limit = limits.max_corners > 0 ? std::min(limits.max_corners, count) : count;
  const bool apart = limits.min_distance >= 1;
  // In place of the rows, which are done with.
  Neighbourhoods near(apart ? height : 0, width, limits.min_distance, behind_keys(image, scratch));

  // Sorted in growing parts, as far as they are needed.
  auto* const corners = static_cast<Corner*>(scratch);
  const auto columns = static_cast<std::int32_t>(width);
  std::ptrdiff_t accepted = 0, sorted = 0, part = std::max<std::ptrdiff_t>(64, 2 * limit);
  for (std::ptrdiff_t i = 0; i < count && accepted < limit; ++i) {
    if (i == sorted) {
      sorted = part < count - sorted ? sorted + part : count;
      if (sorted < count) std::nth_element(keys + i, keys + sorted, keys + count, std::greater<CornerKey>());
      std::sort(keys + i, keys + sorted, std::greater<CornerKey>());
      part *= 2;
    }
    const std::int32_t place = place_of(keys[i]);
    if (apart && near.has(place)) continue;
    const Corner corner{place % columns, place / columns};
    if (apart) near.add(corner);
    corners[accepted++] = corner;
  }
  return accepted;
}

}  // namespace

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

void corner_keys(std::ptrdiff_t count, const std::int32_t* list, const float* here, std::int32_t place,
                 CornerKey* keys) {
  for (std::ptrdiff_t i = 0; i < count; ++i) keys[i] = corner_key(here[list[i]], place + list[i]);
}

float best_corner(std::ptrdiff_t begin, std::ptrdiff_t width, const float* scores, const std::uint8_t* mask,
                  float best) {
  for (std::ptrdiff_t x = begin; x < width; ++x)
    if (!mask || mask[x] != 0) best = std::max(best, scores[x]);
  return best;
}

std::size_t good_corners_scratch_bytes(std::ptrdiff_t height, std::ptrdiff_t width, int block_size) {
  const std::size_t rows = ring_bytes + shi_tomasi_scratch_bytes(width, block_size);
  return keys_bytes(height, width) + std::max({rows, strips_bytes, Neighbourhoods::bytes(height, width)});
}

std::ptrdiff_t good_corners_by_rows(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch,
                                    const ShiTomasiRows& score_rows, CornerPeaks peaks) {
  Candidates candidates{static_cast<CornerKey*>(scratch), 0, 0.0f};
  for (std::ptrdiff_t begin = 0; begin < image.width; begin += shi_tomasi_tile)
    find_peaks(image, mask, limits, begin, std::min(begin + shi_tomasi_tile, image.width), behind_keys(image, scratch),
               score_rows, peaks, candidates);
  return best_corners(image, limits, candidates, scratch);
}

std::ptrdiff_t good_corners_by_strips(ImageU8 image, CornerLimits limits, void* scratch, const CornerStrips& strips) {
  Candidates candidates{static_cast<CornerKey*>(scratch), 0, 0.0f};
  find_peaks(image, limits, behind_keys(image, scratch), strips, candidates);
  return best_corners(image, limits, candidates, scratch);
}

std::ptrdiff_t good_corners_u8_scalar(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_rows(image, mask, limits, scratch, shi_tomasi_rows_scalar, &peaks_scalar);
}

}  // namespace edgefer
