// crop_resize and stack for C.
#include <cmath>

#include "c/checks.h"

using namespace edgefer;
using namespace edgefer::c;

namespace {

constexpr double max_coordinate = 1e6;
constexpr std::ptrdiff_t max_size = 4096;

void check_box(const char* op, const double* box, edgefer_method method, std::ptrdiff_t out_height,
               std::ptrdiff_t out_width) {
  check_pointer(op, "box", box);
  for (int i = 0; i < 4; ++i)
    if (!(std::fabs(box[i]) <= max_coordinate))
      refuse("%s: box must be finite and within 1e6 pixels, got %g", op, box[i]);
  if (!(box[0] < box[2] && box[1] < box[3]))
    refuse("%s: box must have x0 < x1 and y0 < y1, got (%g, %g, %g, %g)", op, box[0], box[1], box[2], box[3]);
  check_one_of(op, "method", method, 3);
  check_size(op, "out_height", out_height, max_size);
  check_size(op, "out_width", out_width, max_size);
}

// Makes the two axes, in this thread's memory.
ResizeMemory& resampling(const ImageU8& image, const double* box, edgefer_method method, std::ptrdiff_t out_height,
                         std::ptrdiff_t out_width) {
  constexpr ResizeMethod methods[] = {ResizeMethod::automatic, ResizeMethod::area, ResizeMethod::bilinear};
  ResizeMemory& memory = resize_memory_of_this_thread();
  resize_axis(box[0], box[2], image.width, out_width, methods[method], memory.columns);
  resize_axis(box[1], box[3], image.height, out_height, methods[method], memory.rows);
  return memory;
}

StackPlan stack_plan(const edgefer_channel* channels, const float* multipliers, const float* offsets, int count) {
  constexpr Channel kinds[] = {Channel::grey, Channel::gx, Channel::gy, Channel::laplacian};
  if (count < 1 || count > max_channels) refuse("stack: channel_count must be 1 to %d, got %d", max_channels, count);
  check_pointer("stack", "channels", channels);
  check_pointer("stack", "multipliers", multipliers);
  check_pointer("stack", "offsets", offsets);
  StackPlan plan{};
  plan.channels = count;
  for (int c = 0; c < count; ++c) {
    check_one_of("stack", "a channel", channels[c], max_channels);
    if (std::count(channels, channels + c, channels[c]) > 0) refuse("stack: channel %d is given twice", channels[c]);
    if (!std::isfinite(multipliers[c]) || !std::isfinite(offsets[c]))
      refuse("stack: multipliers and offsets must be finite, got %g and %g", static_cast<double>(multipliers[c]),
             static_cast<double>(offsets[c]));
    plan.kinds[c] = kinds[channels[c]];
    plan.multipliers[c] = multipliers[c];
    plan.offsets[c] = offsets[c];
  }
  return plan;
}

}  // namespace

edgefer_status edgefer_crop_resize(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                   const double box[4], edgefer_method method, uint8_t* out, ptrdiff_t out_height,
                                   ptrdiff_t out_width, ptrdiff_t out_stride) {
  constexpr const char* op = "crop_resize";
  return guarded(op, [&] {
    static std::atomic<CropResizeFn*> active{nullptr};
    CropResizeFn* const run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    check_box(op, box, method, out_height, out_width);
    const auto to = output(op, "out", out, out_height, out_width, out_stride, from.extent);
    ResizeMemory& memory = resampling(from.plane, box, method, out_height, out_width);
    const Axis columns = memory.columns.view();
    run(from.plane, columns, memory.rows.view(), to.plane, memory.scratch(crop_resize_scratch_bytes(columns)));
  });
}

edgefer_status edgefer_stack(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                             const double box[4], edgefer_method method, const edgefer_channel* channels,
                             const float* multipliers, const float* offsets, int channel_count, int8_t* out,
                             ptrdiff_t out_height, ptrdiff_t out_width) {
  constexpr const char* op = "stack";
  return guarded(op, [&] {
    static std::atomic<StackFn*> active{nullptr};
    StackFn* const run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const StackPlan kinds = stack_plan(channels, multipliers, offsets, channel_count);
    check_box(op, box, method, out_height, out_width);
    check_apart(op, from.extent, array(op, "out", out, out_height, out_width * channel_count));
    ResizeMemory& memory = resampling(from.plane, box, method, out_height, out_width);
    const Axis columns = memory.columns.view();
    run(from.plane, columns, memory.rows.view(), kinds, out, memory.scratch(stack_scratch_bytes(columns)));
  });
}
