// sobel, laplacian and gradients for C.
#include "c/checks.h"

using namespace edgefer;
using namespace edgefer::c;

namespace {

int checked_aperture(const char* op, int aperture) {
  if (aperture != 1 && aperture != 3) refuse("%s: aperture must be 1 or 3, got %d", op, aperture);
  return aperture;
}

}  // namespace

edgefer_status edgefer_sobel(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                             edgefer_border border, int16_t* gx, ptrdiff_t gx_stride, int16_t* gy,
                             ptrdiff_t gy_stride) {
  constexpr const char* op = "sobel";
  return guarded(op, [&] {
    static std::atomic<SobelFn*> active{nullptr};
    SobelFn* const run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const Border edge = checked_border(op, border);
    const auto to_x = output(op, "gx", gx, height, width, gx_stride, from.extent);
    const auto to_y = output(op, "gy", gy, height, width, gy_stride, from.extent);
    check_apart(op, to_x.extent, to_y.extent);
    run(from.plane, edge, to_x.plane, to_y.plane);
  });
}

edgefer_status edgefer_laplacian(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                 int aperture, edgefer_border border, int16_t* out, ptrdiff_t out_stride) {
  constexpr const char* op = "laplacian";
  return guarded(op, [&] {
    static std::atomic<LaplacianFn*> active{nullptr};
    LaplacianFn* const run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const int size = checked_aperture(op, aperture);
    const Border edge = checked_border(op, border);
    const auto to = output(op, "out", out, height, width, out_stride, from.extent);
    run(from.plane, size, edge, to.plane);
  });
}

edgefer_status edgefer_gradients(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                 int aperture, edgefer_border border, int16_t* gx, ptrdiff_t gx_stride, int16_t* gy,
                                 ptrdiff_t gy_stride, int16_t* laplacian, ptrdiff_t laplacian_stride) {
  constexpr const char* op = "gradients";
  return guarded(op, [&] {
    static std::atomic<GradientsFn*> active{nullptr};
    GradientsFn* const run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const int size = checked_aperture(op, aperture);
    const Border edge = checked_border(op, border);
    const auto to_x = output(op, "gx", gx, height, width, gx_stride, from.extent);
    const auto to_y = output(op, "gy", gy, height, width, gy_stride, from.extent);
    const auto to_second = output(op, "laplacian", laplacian, height, width, laplacian_stride, from.extent);
    check_apart(op, to_x.extent, to_y.extent);
    check_apart(op, to_x.extent, to_second.extent);
    check_apart(op, to_y.extent, to_second.extent);
    run(from.plane, size, edge, to_x.plane, to_y.plane, to_second.plane);
  });
}
