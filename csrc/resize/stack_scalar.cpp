#include <algorithm>  // min, max
#include <cmath>      // abs, floor

#include "resize/resize.h"

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
                      std::ptrdiff_t width, const Quantiser& quantiser, std::int8_t* out) {
  for (int c = 0; c < quantiser.channels; ++c)
    for (std::ptrdiff_t x = 0; x < width; ++x)
      out[x * quantiser.channels + c] = quantised(channel_value(quantiser.kinds[c], above, here, below, x),
                                                  quantiser.multipliers[c][0], quantiser.offsets[c][0]);
}

std::ptrdiff_t stack_row_bytes(const Axis& columns) { return columns.size + 1 + stack_row_slack; }

}  // namespace

Quantiser quantiser(const StackPlan& plan) {
  Quantiser result;
  result.channels = plan.channels;
  result.exact = true;
  for (int c = 0; c < plan.channels; ++c) {
    result.kinds[c] = plan.kinds[c];
    std::fill_n(result.multipliers[c], 16, plan.multipliers[c]);
    std::fill_n(result.offsets[c], 16, plan.offsets[c]);

    constexpr int most = 6;
    int shift = 0;
    while (shift < most && plan.multipliers[c] * static_cast<float>(1 << shift) != 1) ++shift;
    const float term = plan.offsets[c] * static_cast<float>(1 << shift);
    // 2^14 leaves room in s16 for a value, at most 1020, and the rounding.
    result.exact = result.exact && plan.multipliers[c] * static_cast<float>(1 << shift) == 1 &&
                   std::abs(term) <= 16384 && std::floor(term) == term;
    if (!result.exact) continue;
    std::fill_n(result.terms[c], 32, static_cast<std::int16_t>(term));
    std::fill_n(result.below_half[c], 32, static_cast<std::int16_t>(shift > 0 ? (1 << (shift - 1)) - 1 : 0));
    std::fill_n(result.odd[c], 32, static_cast<std::int16_t>(shift > 0));
    std::fill_n(result.shifts[c], 2, shift);
  }
  return result;
}

std::size_t stack_scratch_bytes(const Axis& columns) {
  return crop_resize_scratch_bytes(columns) + 4 * static_cast<std::size_t>(stack_row_bytes(columns));
}

void stack_by_rows(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                   void* scratch, const ResizeSteps& steps, StackRowFn stack_row) {
  const std::ptrdiff_t width = columns.size, height = rows.size;
  const ResizeScratch memory = resize_scratch(columns, scratch);
  const Quantiser how = quantiser(plan);
  // Four resized rows, y at place y % 4, each between its pixels -1 and `width`. A row is read one row after it was
  // written, when the processor has done with the stores.
  std::uint8_t* const ring = static_cast<std::uint8_t*>(scratch) + crop_resize_scratch_bytes(columns);
  const auto place = [&](std::ptrdiff_t y) { return ring + y % 4 * stack_row_bytes(columns); };
  const auto fill = [&](std::ptrdiff_t y) {
    std::uint8_t* row = place(y);
    steps.row(image, columns, rows, y, memory, row + 1);
    row[0] = row[1 + before_first(width, Border::reflect101)];
    row[width + 1] = row[1 + after_last(width, Border::reflect101)];
  };
  if (steps.arrange) steps.arrange(columns, memory);
  fill(0);
  if (height > 1) fill(1);
  for (std::ptrdiff_t y = 0; y < height; ++y) {
    if (y + 2 < height) fill(y + 2);
    const std::ptrdiff_t y_above = y > 0 ? y - 1 : before_first(height, Border::reflect101);
    const std::ptrdiff_t y_below = y + 1 < height ? y + 1 : after_last(height, Border::reflect101);
    stack_row(place(y_above), place(y), place(y_below), width, how, out + y * width * plan.channels);
  }
}

void stack_u8_s8_scalar(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                        void* scratch) {
  stack_by_rows(image, columns, rows, plan, out, scratch, resize_steps_scalar, &stack_row_scalar);
}

}  // namespace edgefer
