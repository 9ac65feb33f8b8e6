#if defined(__aarch64__)
#include <arm_neon.h>

#include "core/target.h"  // EDGEFER_ALWAYS_INLINE
#include "gradients/gradients.h"

namespace edgefer {
namespace {

// 16 lanes.
struct Vector {
  int16x8_t low, high;
};
using Pixels = uint8x16_t;
using Order = uint8x16_t;
constexpr int tile_width = 16;

Pixels load(const std::uint8_t* p) { return vld1q_u8(p); }
Order load_order(const std::uint8_t* p) { return vld1q_u8(p); }
Pixels load_ordered(const std::uint8_t* p, Order order) { return vqtbl1q_u8(load(p), order); }
Vector add(Vector a, Vector b) { return {vaddq_s16(a.low, b.low), vaddq_s16(a.high, b.high)}; }
Vector subtract(Vector a, Vector b) { return {vsubq_s16(a.low, b.low), vsubq_s16(a.high, b.high)}; }
Vector twice(Vector a) { return add(a, a); }

// Unsigned arithmetic wraps to the signed result.
Vector as_signed(uint16x8_t low, uint16x8_t high) { return {vreinterpretq_s16_u16(low), vreinterpretq_s16_u16(high)}; }
uint16x8_t as_unsigned(int16x8_t a) { return vreinterpretq_u16_s16(a); }
Vector plus(Pixels a, Pixels b) { return as_signed(vaddl_u8(vget_low_u8(a), vget_low_u8(b)), vaddl_high_u8(a, b)); }
Vector minus(Pixels a, Pixels b) { return as_signed(vsubl_u8(vget_low_u8(a), vget_low_u8(b)), vsubl_high_u8(a, b)); }
Vector add_pixels(Vector a, Pixels b) {
  return as_signed(vaddw_u8(as_unsigned(a.low), vget_low_u8(b)), vaddw_high_u8(as_unsigned(a.high), b));
}
Vector add_twice(Vector a, Pixels b) {
  return as_signed(vmlal_u8(as_unsigned(a.low), vget_low_u8(b), vdup_n_u8(2)),
                   vmlal_high_u8(as_unsigned(a.high), b, vdupq_n_u8(2)));
}
Vector subtract_four_times(Vector a, Pixels b) {
  return as_signed(vmlsl_u8(as_unsigned(a.low), vget_low_u8(b), vdup_n_u8(4)),
                   vmlsl_high_u8(as_unsigned(a.high), b, vdupq_n_u8(4)));
}
void store(std::int16_t* p, Vector value) {
  const int16x8x2_t pair = {{value.low, value.high}};  // named, because vst1q_s16_x2 is a macro of clang's
  vst1q_s16_x2(p, pair);
}

#include "gradients/tiles.h"

bool tiles_fit(ImageU8 image, int tile_rows) { return image.width > tile_width && image.height >= tile_rows; }

// Lower for both operators together, which leave no register free.
constexpr int tile_rows = 16, tile_rows_of_all = 8;

}  // namespace

void sobel_u8_s16_neon(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy) {
  if (!tiles_fit(image, tile_rows)) return sobel_u8_s16_scalar(image, border, gx, gy);
  run_tiles({image, border, gx, gy, {}}, tile_rows, {true, false, false});
}

void laplacian_u8_s16_neon(ImageU8 image, int aperture, Border border, OutputS16 out) {
  if (!tiles_fit(image, tile_rows)) return laplacian_u8_s16_scalar(image, aperture, border, out);
  if (aperture == 1) return run_tiles({image, border, {}, {}, out}, tile_rows, {false, true, true});
  run_tiles({image, border, {}, {}, out}, tile_rows, {false, true, false});
}

void gradients_u8_s16_neon(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                           OutputS16 laplacian) {
  if (!tiles_fit(image, tile_rows_of_all)) return gradients_u8_s16_scalar(image, aperture, border, gx, gy, laplacian);
  if (aperture == 1) return run_tiles({image, border, gx, gy, laplacian}, tile_rows_of_all, {true, true, true});
  run_tiles({image, border, gx, gy, laplacian}, tile_rows_of_all, {true, true, false});
}

}  // namespace edgefer

#endif
