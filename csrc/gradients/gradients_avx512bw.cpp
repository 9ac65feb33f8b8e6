#if defined(__x86_64__)
#include <immintrin.h>

#include "core/target.h"
#include "gradients/gradients.h"

EDGEFER_BEGIN_AVX512BW

namespace edgefer {
namespace {

using Vector = __m512i;
using Pixels = __m512i;
using Order = __m512i;
constexpr int tile_width = 32, tile_rows = 4;

Pixels load(const std::uint8_t* p) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
Order load_order(const std::uint8_t* p) { return load(p); }
Pixels load_ordered(const std::uint8_t* p, Order order) { return _mm512_permutexvar_epi16(order, load(p)); }
Vector add(Vector a, Vector b) { return _mm512_add_epi16(a, b); }
Vector subtract(Vector a, Vector b) { return _mm512_sub_epi16(a, b); }
void store(std::int16_t* p, Vector value) { _mm512_storeu_si512(p, value); }

#include "gradients/tiles.h"

}  // namespace

void sobel_u8_s16_avx512bw(ImageU8 image, Border border, OutputS16 gx, OutputS16 gy) {
  if (!tiles_fit(image)) return sobel_u8_s16_avx2(image, border, gx, gy);
  run_tiles({image, border, gx, gy, {}}, tile_rows, {true, false, false});
}

void gradients_u8_s16_avx512bw(ImageU8 image, int aperture, Border border, OutputS16 gx, OutputS16 gy,
                               OutputS16 laplacian) {
  if (!tiles_fit(image)) return gradients_u8_s16_avx2(image, aperture, border, gx, gy, laplacian);
  if (aperture == 1) return run_tiles({image, border, gx, gy, laplacian}, tile_rows, {true, true, true});
  run_tiles({image, border, gx, gy, laplacian}, tile_rows, {true, true, false});
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
