#include <cstring>  // memcpy

#include "luma/luma.h"

namespace edgefer {

void luma_u8_scalar(ImageU8 image, LumaFormat format, OutputU8 out) {
  join_rows(image, out);
  const std::ptrdiff_t width = out.width;  // as far as a compiler knows, writing a byte might change out.width
  for (std::ptrdiff_t y = 0; y < out.height; ++y) {
    const std::uint8_t* from = image.data + y * image.row_stride;
    std::uint8_t* to = out.data + y * out.row_stride;
    switch (format) {
      case LumaFormat::nv12: std::memcpy(to, from, static_cast<std::size_t>(width)); break;
      case LumaFormat::yuyv:
        for (std::ptrdiff_t x = 0; x < width; ++x) to[x] = from[2 * x];
        break;
      case LumaFormat::bgr:
        for (std::ptrdiff_t x = 0; x < width; ++x) to[x] = luma_of_bgr(from + 3 * x);
        break;
    }
  }
}

}  // namespace edgefer
