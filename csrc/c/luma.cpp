// luma for C.
#include "c/checks.h"

using namespace edgefer;
using namespace edgefer::c;

edgefer_status edgefer_luma(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                            edgefer_luma_format format, uint8_t* out, ptrdiff_t out_stride) {
  constexpr const char* op = "luma";
  return guarded(op, [&] {
    static std::atomic<LumaFn*> active{nullptr};
    LumaFn* const run = chosen(op, active);
    constexpr LumaFormat formats[] = {LumaFormat::yuyv, LumaFormat::nv12, LumaFormat::bgr};
    constexpr std::ptrdiff_t depths[] = {2, 1, 3};
    check_one_of(op, "format", format, 3);
    Input from = input(op, "image", image, height, width, image_stride, depths[format]);
    const auto to = output(op, "out", out, height, width, out_stride, from.extent);
    run(from.plane, formats[format], to.plane);
  });
}
