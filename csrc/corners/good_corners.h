// good_corners by rows: what its variants share, and the row functions they are made of.
#pragma once

#include <cstring>  // std::memcpy

#include "corners/corners.h"
#include "corners/shi_tomasi.h"

namespace edgefer {

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
