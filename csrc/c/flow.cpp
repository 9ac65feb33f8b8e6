// flow for C.
#include "c/checks.h"

using namespace edgefer;
using namespace edgefer::c;

edgefer_status edgefer_flow(const uint8_t* before, ptrdiff_t height, ptrdiff_t width, ptrdiff_t before_stride,
                            const uint8_t* after, ptrdiff_t after_stride, const float* points, ptrdiff_t point_count,
                            int window, int levels, float* there, float* error) {
  constexpr const char* op = "flow";
  return guarded(op, [&] {
    static std::atomic<FlowFn*> active{nullptr};
    FlowFn* const run = chosen(op, active);
    const Input first = input(op, "before", before, height, width, before_stride);
    const Input second = input(op, "after", after, height, width, after_stride);
    if (std::min(height, width) < 3 || std::max(height, width) > flow_max_side)
      refuse("%s: before must have 3 to %td pixels a side, got %td x %td", op, flow_max_side, height, width);
    if (window < 3 || window > flow_max_window || window % 2 == 0)
      refuse("%s: window must be odd, 3 to %d, got %d", op, flow_max_window, window);
    if (levels < 1 || levels > flow_max_levels)
      refuse("%s: levels must be 1 to %d, got %d", op, flow_max_levels, levels);
    check_size(op, "point_count", point_count);
    const Extent given = array(op, "points", points, point_count, 2);
    const Extent to_there = array(op, "there", there, point_count, 2);
    const Extent to_error = array(op, "error", error, 1, point_count);
    for (const Extent& written : {to_there, to_error})
      for (const Extent& read : {first.extent, second.extent, given}) check_apart(op, read, written);
    check_apart(op, to_there, to_error);
    for (std::ptrdiff_t i = 0; i < point_count; ++i) {
      const float x = points[2 * i], y = points[2 * i + 1];
      if (!(x >= 0 && y >= 0 && x <= static_cast<float>(width - 1) && y <= static_cast<float>(height - 1)))
        refuse("%s: points must lie in the image, got (%g, %g) at index %td", op, static_cast<double>(x),
               static_cast<double>(y), i);
    }
    const Scratch scratch(flow_scratch_bytes(height, width, window, levels));
    run(first.plane, second.plane, {point_count, points, there, error}, window, levels, scratch.get());
  });
}
