#if defined(__x86_64__)
#include <immintrin.h>

#include "core/target.h"
#include "gradients/gradients.h"

EDGEFER_BEGIN_SSE41

namespace edgefer {
namespace {

using Vector = __m128i;
using Pixels = __m128i;
using Order = __m128i;
constexpr int tile_width = 8, tile_rows = 4;

__m128i load_bytes(const std::uint8_t* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
Order load_order(const std::uint8_t* p) { return load_bytes(p); }
Pixels load(const std::uint8_t* p) { return _mm_cvtepu8_epi16(load_bytes(p)); }
Pixels load_ordered(const std::uint8_t* p, Order order) {
  return _mm_cvtepu8_epi16(_mm_shuffle_epi8(load_bytes(p), order));
}
Vector add(Vector a, Vector b) { return _mm_add_epi16(a, b); }
Vector subtract(Vector a, Vector b) { return _mm_sub_epi16(a, b); }
void store(std::int16_t* p, Vector value) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), value); }

#include "gradients/tiles.h"

}  // namespace

void sobel_u8_s16_sse41(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy) {
  if (!tiles_fit(image)) return sobel_u8_s16_scalar(image, border, gx, gy);
  run_tiles({image, border, gx, gy, {}}, tile_rows, {true, false, false});
}

void laplacian_u8_s16_sse41(ImageU8 image, int aperture, Border border, OutputS16 out) {
  if (!tiles_fit(image)) return laplacian_u8_s16_scalar(image, aperture, border, out);
  if (aperture == 1) return run_tiles({image, border, {}, {}, out}, tile_rows, {false, true, true});
  run_tiles({image, border, {}, {}, out}, tile_rows, {false, true, false});
}

void gradients_u8_s16_sse41(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                            OutputS16 laplacian) {
  if (!tiles_fit(image)) return gradients_u8_s16_scalar(image, aperture, border, gx, gy, laplacian);
  if (aperture == 1) return run_tiles({image, border, gx, gy, laplacian}, tile_rows, {true, true, true});
  run_tiles({image, border, gx, gy, laplacian}, tile_rows, {true, true, false});
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
