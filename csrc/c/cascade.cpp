// Cascades and their operation for C.
#include "c/checks.h"

using namespace edgefer;
using namespace edgefer::c;

struct edgefer_cascade {
  CascadeModel model;
};

edgefer_status edgefer_cascade_create(int width, int height, const int8_t* rectangles, const float* weights,
                                      const float* thresholds, const float* leaves, ptrdiff_t tree_count,
                                      const int32_t* stage_trees, const float* stage_thresholds, ptrdiff_t stage_count,
                                      edgefer_cascade** cascade) {
  constexpr const char* op = "cascade_create";
  return guarded(op, [&] {
    check_pointer(op, "cascade", cascade);
    *cascade = nullptr;
    check_size(op, "tree_count", tree_count);
    check_size(op, "stage_count", stage_count);
    array(op, "rectangles", rectangles, tree_count, 24);
    array(op, "weights", weights, tree_count, 6);
    array(op, "thresholds", thresholds, tree_count, 2);
    array(op, "leaves", leaves, tree_count, 4);
    array(op, "stage_trees", stage_trees, 1, stage_count);
    array(op, "stage_thresholds", stage_thresholds, 1, stage_count);
    try {
      *cascade = new edgefer_cascade{CascadeModel({width, height, tree_count, rectangles, weights, thresholds, leaves,
                                                   stage_count, stage_trees, stage_thresholds})};
    } catch (const std::invalid_argument& wrong) { refuse("%s", wrong.what()); }
  });
}

edgefer_status edgefer_cascade_windows(const edgefer_cascade* cascade, const uint8_t* image, ptrdiff_t height,
                                       ptrdiff_t width, ptrdiff_t image_stride, int step, edgefer_corner* windows,
                                       ptrdiff_t max_windows, ptrdiff_t* window_count) {
  constexpr const char* op = "cascade";
  return guarded(op, [&] {
    static std::atomic<CascadeFn*> active{nullptr};
    CascadeFn* const run = chosen(op, active);
    check_pointer(op, "cascade", cascade);
    const Input from = input(op, "image", image, height, width, image_stride);
    if (width > cascade_max_width || height > INT32_MAX / width)
      refuse("%s: image must be at most %td wide, and below 2^31 pixels, got %td x %td", op, cascade_max_width, height,
             width);
    if (step != 1 && step != 2) refuse("%s: step must be 1 or 2, got %d", op, step);
    check_size(op, "max_windows", max_windows);
    const Extent to = array(op, "windows", windows, 1, max_windows);
    const Extent count_to = array(op, "window_count", window_count, 1, 1);
    check_apart(op, from.extent, to);
    check_apart(op, from.extent, count_to);
    check_apart(op, to, count_to);
    const Cascade& model = cascade->model.cascade();
    std::ptrdiff_t count = 0;
    if (width >= model.width && height >= model.height) {
      const Scratch scratch(cascade_scratch_bytes(height, width, model, step));
      count = run(from.plane, model, step, scratch.get());
      const auto* accepted = static_cast<const Corner*>(scratch.get());
      for (std::ptrdiff_t i = 0; i < std::min(count, max_windows); ++i) windows[i] = {accepted[i].x, accepted[i].y};
    }
    *window_count = count;
  });
}

void edgefer_cascade_free(edgefer_cascade* cascade) { delete cascade; }
