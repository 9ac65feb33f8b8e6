#include <algorithm>  // min, max

#include "kernels.h"

namespace edgefer {
namespace {

std::int8_t quantised(int value, float multiplier, float offset) {
  const float scaled = std::max(-128.0f, std::min(127.0f, static_cast<float>(value) * multiplier + offset));
  // Adding 1.5 * 2^23 leaves no bits behind the point: the sum is rounded to an integer, ties to even.
  constexpr float magic = 12582912.0f;
  return static_cast<std::int8_t>((scaled + magic) - magic);
}

// Rows start at pixel -1, so the pixel itself is at x + 1.
int channel_value(Channel kind, const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below,
                  std::ptrdiff_t x) {
  switch (kind) {
    case Channel::grey: return here[x + 1];
    case Channel::gx: return above[x + 2] - above[x] + 2 * (here[x + 2] - here[x]) + below[x + 2] - below[x];
    case Channel::gy: return below[x] - above[x] + 2 * (below[x + 1] - above[x + 1]) + below[x + 2] - above[x + 2];
    case Channel::laplacian: return above[x + 1] + below[x + 1] + here[x] + here[x + 2] - 4 * here[x + 1];
  }
  return 0;
}

void stack_row_scalar(const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below,
                      std::ptrdiff_t width, const StackPlan& plan, std::int8_t* out) {
  for (int c = 0; c < plan.channels; ++c)
    for (std::ptrdiff_t x = 0; x < width; ++x)
      out[x * plan.channels + c] =
          quantised(channel_value(plan.kinds[c], above, here, below, x), plan.multipliers[c], plan.offsets[c]);
}

}  // namespace

void stack_rows(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, StackScratch scratch,
                ResizeRowFn resize_row, StackRowFn stack_row, std::int8_t* out) {
  const std::ptrdiff_t width = columns.size, height = rows.size;
  const auto ring = [&](std::ptrdiff_t y) { return scratch.rows + y % 3 * (width + stack_row_slack); };
  const auto fill = [&](std::ptrdiff_t y) {
    std::uint8_t* row = ring(y);
    resize_row(image, columns, rows, y, scratch.resize, row + 1);
    row[0] = row[1 + before_first(width, Border::reflect101)];
    row[width + 1] = row[1 + after_last(width, Border::reflect101)];
  };
  fill(0);
  for (std::ptrdiff_t y = 0; y < height; ++y) {
    if (y + 1 < height) fill(y + 1);
    const std::ptrdiff_t y_above = y > 0 ? y - 1 : before_first(height, Border::reflect101);
    const std::ptrdiff_t y_below = y + 1 < height ? y + 1 : after_last(height, Border::reflect101);
    stack_row(ring(y_above), ring(y), ring(y_below), width, plan, out + y * width * plan.channels);
  }
}

void stack_u8_s8_scalar(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan,
                        StackScratch scratch, std::int8_t* out) {
  stack_rows(image, columns, rows, plan, scratch, &resize_row_u8_scalar, &stack_row_scalar, out);
}

}  // namespace edgefer
