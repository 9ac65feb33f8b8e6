// Both operations by rows: the walk over the image that all variants share, and the row functions they are made of.
// corners.h explains the ladder of variants and what their registers hold.
#pragma once

#include <algorithm>  // std::min
#include <cstring>    // std::memcpy

#include "corners/corners.h"

namespace edgefer {

// The walk goes over tiles of columns, so that its rows stay in the first-level cache.
constexpr std::ptrdiff_t shi_tomasi_tile = 640;  // columns
constexpr std::ptrdiff_t shi_tomasi_halo = 8;    // columns of its neighbours that a tile needs; a window reaches 7

// A row of sums: six planes, trace, difference and twice, of each the even columns first. `first` is column 0; indices
// from -shi_tomasi_margin may be read, and as many past the row's end.
constexpr std::ptrdiff_t shi_tomasi_margin = 16;
constexpr std::ptrdiff_t shi_tomasi_plane = (shi_tomasi_tile + 64) / 2 + 2 * shi_tomasi_margin;
struct TensorSums {
  std::int32_t* first;

  std::int32_t* trace(std::ptrdiff_t odd) const { return first + odd * shi_tomasi_plane; }
  std::int32_t* difference(std::ptrdiff_t odd) const { return first + (2 + odd) * shi_tomasi_plane; }
  std::int32_t* twice(std::ptrdiff_t odd) const { return first + (4 + odd) * shi_tomasi_plane; }
};

// A row of derived pixels or of gradients has two halves; what lies in them, in what order, is the variant's own
// affair, but gradients of zero are zeros. All may go on to the next multiple of 64 columns.
constexpr std::ptrdiff_t shi_tomasi_half = shi_tomasi_tile + 64;  // elements

struct ShiTomasiRows {
  // From a row of pixels, of which pixels[-1] and pixels[width] exist:
  //   across = right - left,  smooth = left + 2 * centre + right.
  void (*derive)(std::ptrdiff_t width, const std::uint8_t* pixels, std::int16_t* derived);

  // gx and gy from three derived rows: gx = above + 2 * here + below of `across`, gy = below - above of `smooth`.
  void (*gradients)(std::ptrdiff_t width, const std::int16_t* above, const std::int16_t* here,
                    const std::int16_t* below, std::int16_t* gradients);

  // The sums one row further down: to = from + products of the entering row - products of the leaving one.
  void (*slide)(std::ptrdiff_t width, const std::int16_t* entering, const std::int16_t* leaving, TensorSums from,
                TensorSums to);

  // Add up the window's columns and write the scores of columns [0, width), exactly these. `pairs` is working memory of
  // the shape of `sums`.
  void (*score)(std::ptrdiff_t width, int block_size, float gain, TensorSums sums, TensorSums pairs, float* out);

  // For block size 3 both at once, the scores of `from` in columns [0, scored), no more than width: so one row is
  // summed while the square roots of the other pass.
  void (*score_and_slide)(std::ptrdiff_t width, std::ptrdiff_t scored, float gain, const std::int16_t* entering,
                          const std::int16_t* leaving, TensorSums from, TensorSums to, float* out);
};

// The walk down one tile, columns [begin, end): after construction, each call of next() writes the scores of the next
// row. They begin at column first_scored(), up to a halo before `begin`, and end behind column `end`, where the image
// has one; those before column begin - 1 are worthless. `scratch` as for shi_tomasi.
class ShiTomasiWalk {
 public:
  ShiTomasiWalk(ImageU8 image, std::ptrdiff_t begin, std::ptrdiff_t end, int block_size, Border border, void* scratch,
                const ShiTomasiRows& rows);
  std::ptrdiff_t first_scored() const { return first_; }
  void next(float* out);

 private:
  void load_row(std::ptrdiff_t y);
  void make_gradients();
  void extend(TensorSums sums) const;
  struct Change {
    const std::int16_t *entering, *leaving;
  };
  Change enter();

  const ShiTomasiRows& rows_;
  const ImageU8 image_;
  const Border border_;
  const int block_size_;
  const float gain_;
  const std::ptrdiff_t first_, last_;  // columns of the image that are looked at: [first_, last_)
  const std::ptrdiff_t scored_;        // how many of them are scored
  const std::ptrdiff_t slots_;         // rows in the ring of gradients, a power of two above block_size
  std::uint8_t* pixels_[2];            // rows with their borders, by parity of the row
  std::int16_t* derived_;              // a ring of 4 rows
  std::int16_t* gradients_;            // the ring, and a row of zeros
  TensorSums sums_[2];                 // written in turn, so that no row is read back while it is still being stored
  TensorSums pairs_;
  std::ptrdiff_t derived_rows_ = 0;  // so far
  std::ptrdiff_t made_ = 0;          // gradient rows so far
  std::ptrdiff_t entering_;          // the row that comes under the window next
};

// What the difference of trace and root is multiplied by.
float shi_tomasi_gain(int block_size);

// The shared body of the variants; arguments as there.
void shi_tomasi_by_rows(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch,
                        const ShiTomasiRows& rows);

// Windows of 3x3 by strips of 32 columns, for images at least as wide. The first begins in column -1, the last ends in
// column `width`, and of each all but the outermost columns are scored. `scratch` is 64-byte aligned, of
// shi_tomasi_strip_scratch.
constexpr std::ptrdiff_t shi_tomasi_strip = 32;  // columns
constexpr std::ptrdiff_t shi_tomasi_band = 128;  // rows at a time, so that they stay in the first-level cache
constexpr std::size_t shi_tomasi_strip_scratch = 128 * (shi_tomasi_band + 3);
void shi_tomasi_by_strips_avx2(ImageU8 image, Border border, OutputF32 score, void* scratch);
void shi_tomasi_by_strips_avx512vnni(ImageU8 image, Border border, OutputF32 score, void* scratch);

// The scores of rows [begin, end), at most a band, of the strip beginning in column `first`, in the order in which the
// variant has them: its columns 1, 3, ... 29 and another in [0, 16), its columns 2, 4, ... 30 and another in [16, 32).
using ShiTomasiStrip = void (*)(ImageU8 image, Border border, std::ptrdiff_t first, std::ptrdiff_t begin,
                                std::ptrdiff_t end, float* scores, void* scratch);
void shi_tomasi_strip_avx2(ImageU8 image, Border border, std::ptrdiff_t first, std::ptrdiff_t begin, std::ptrdiff_t end,
                           float* scores, void* scratch);
void shi_tomasi_strip_avx512vnni(ImageU8 image, Border border, std::ptrdiff_t first, std::ptrdiff_t begin,
                                 std::ptrdiff_t end, float* scores, void* scratch);

// Where the strip after that at `first` begins, at most `step` columns on: the last one of the image, or before it one
// that sees no column beyond the edge. After the last, beyond the image.
inline std::ptrdiff_t next_strip(std::ptrdiff_t first, std::ptrdiff_t step, std::ptrdiff_t width) {
  const std::ptrdiff_t last = width + 1 - shi_tomasi_strip;
  if (first == last) return width;
  return first + step < last ? std::min(first + step, last - 2) : last;
}

// What a strip is made of.
enum class Side { left, middle, right };
struct StripSource {
  const std::uint8_t* pixels;               // row 0 of the strip's first column, which may be column -1
  std::ptrdiff_t row_stride, height, edge;  // `edge`: where from `pixels` the pixel stands that is seen beyond the edge
  Border border;
};
inline Side side_of(std::ptrdiff_t first, std::ptrdiff_t width) {
  return first < 0 ? Side::left : first + shi_tomasi_strip > width ? Side::right : Side::middle;
}
inline StripSource strip_of(ImageU8 image, Border border, std::ptrdiff_t first) {
  const std::ptrdiff_t beyond = first < 0 ? before_first(image.width, border) : after_last(image.width, border);
  return {image.data + first, image.row_stride, image.height, beyond - first, border};
}

extern const ShiTomasiRows shi_tomasi_rows_scalar, shi_tomasi_rows_avx2, shi_tomasi_rows_avx512vnni,
    shi_tomasi_rows_neon;

// ------------------------------------------------------------------------------------------------- good_corners

// A local maximum as one number: the bits of its score, which is positive, above its place y * width + x. Their order
// is that of the corners, best first being greatest first: among equal scores the later pixel is the better one.
using CornerKey = std::uint64_t;
inline CornerKey corner_key(float score, std::ptrdiff_t place) {
  std::uint32_t bits;
  std::memcpy(&bits, &score, sizeof bits);
  return static_cast<CornerKey>(bits) << 32 | static_cast<std::uint32_t>(place);
}

// Three rows of scores, one below the other.
struct ScoreRows {
  const float* above;
  const float* here;
  const float* below;
};

// The pixels of row `here`, all but the first and last, above the threshold and not below any of their eight
// neighbours, where `mask` is null or not zero. `place` is that of the row's first pixel. Writes their keys, and
// returns how many. Raises `best` to the greatest score of
// the whole row, where `mask` is null or not zero. No score is below 0.
using CornerPeaks = std::ptrdiff_t (*)(std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask, float threshold,
                                       std::int32_t place, CornerKey* keys, float& best);

// The shared body of the variants; arguments as there.
std::ptrdiff_t good_corners_by_rows(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch,
                                    const ShiTomasiRows& score_rows, CornerPeaks peaks);

// The same by strips, for block size 3 without a mask and an image of a strip's width and 3 rows at least.
struct CornerStrips {
  ShiTomasiStrip score;
  // Of `count` rows of a strip's scores below the first, the places in `scores` that are above the threshold, not below
  // any of their eight neighbours, and whose bit in `allowed`, by place in the row, is set. Writes them, and returns
  // how many. Raises `best` to the highest score of all `count` + 2 rows.
  std::ptrdiff_t (*peaks)(const float* scores, std::ptrdiff_t count, std::uint32_t allowed, float threshold,
                          float& best, std::int32_t* list);
  std::int8_t columns[shi_tomasi_strip];  // of the strip, by place in a row of its scores; 0 where there is none
};
std::ptrdiff_t good_corners_by_strips(ImageU8 image, CornerLimits limits, void* scratch, const CornerStrips& strips);
inline bool suits_strips(ImageU8 image, ImageU8 mask, CornerLimits limits) {
  return limits.block_size == 3 && !mask.data && image.width >= shi_tomasi_strip && image.height >= 3;
}

// The pixels [begin, width - 1) in plain code, for the end that a vector loop leaves over; arguments as above.
std::ptrdiff_t corner_peaks(std::ptrdiff_t begin, std::ptrdiff_t width, ScoreRows rows, const std::uint8_t* mask,
                            float threshold, std::int32_t place, CornerKey* keys);

// The keys of the listed columns of row `here`.
void corner_keys(std::ptrdiff_t count, const std::int32_t* list, const float* here, std::int32_t place,
                 CornerKey* keys);

// The greatest score of the pixels [begin, width), and of `best`.
float best_corner(std::ptrdiff_t begin, std::ptrdiff_t width, const float* scores, const std::uint8_t* mask,
                  float best);

}  // namespace edgefer
