// shi_tomasi and good_corners for C.
#include <cmath>

#include "c/checks.h"

using namespace edgefer;
using namespace edgefer::c;

namespace {

int checked_block_size(const char* op, int block_size) {
  if (block_size < 3 || block_size > 15 || block_size % 2 == 0)
    refuse("%s: block_size must be odd, 3 to 15, got %d", op, block_size);
  return block_size;
}

}  // namespace

edgefer_status edgefer_shi_tomasi(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                  int block_size, edgefer_border border, float* score, ptrdiff_t score_stride) {
  constexpr const char* op = "shi_tomasi";
  return guarded(op, [&] {
    static std::atomic<ShiTomasiFn*> active{nullptr};
    ShiTomasiFn* const run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const int block = checked_block_size(op, block_size);
    const Border edge = checked_border(op, border);
    const auto to = output(op, "score", score, height, width, score_stride, from.extent);
    const Scratch scratch(shi_tomasi_scratch_bytes(width, block));
    run(from.plane, block, edge, to.plane, scratch.get());
  });
}

edgefer_status edgefer_good_corners(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                    const uint8_t* mask, ptrdiff_t mask_stride, double quality_level,
                                    double min_distance, int block_size, edgefer_corner* corners, ptrdiff_t max_corners,
                                    ptrdiff_t* corner_count) {
  constexpr const char* op = "good_corners";
  return guarded(op, [&] {
    static std::atomic<GoodCornersFn*> active{nullptr};
    GoodCornersFn* const run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    if (height > INT32_MAX / width)
      refuse("%s: image must have fewer than 2^31 pixels, got %td x %td", op, height, width);
    ImageU8 allowed{nullptr, height, width, 0};
    Extent allowed_extent{"mask", 0, 0};
    if (mask) {
      const Input given = input(op, "mask", mask, height, width, mask_stride);
      allowed = given.plane;
      allowed_extent = given.extent;
    }
    if (!(quality_level > 0) || std::isinf(quality_level))
      refuse("%s: quality_level must be above 0 and finite, got %g", op, quality_level);
    if (!(min_distance >= 0) || std::isinf(min_distance))
      refuse("%s: min_distance must be 0 or more and finite, got %g", op, min_distance);
    const int block = checked_block_size(op, block_size);
    check_size(op, "max_corners", max_corners);
    const Extent to = array(op, "corners", corners, 1, max_corners);
    const Extent count_to = array(op, "corner_count", corner_count, 1, 1);
    for (const Extent& written : {to, count_to}) {
      check_apart(op, from.extent, written);
      if (mask) check_apart(op, allowed_extent, written);
    }
    check_apart(op, to, count_to);
    const Scratch scratch(good_corners_scratch_bytes(height, width, block));
    const std::ptrdiff_t count =
        run(from.plane, allowed, {max_corners, quality_level, min_distance, block}, scratch.get());
    const auto* best = static_cast<const Corner*>(scratch.get());
    for (std::ptrdiff_t i = 0; i < count; ++i) corners[i] = {best[i].x, best[i].y};
    *corner_count = count;
  });
}
