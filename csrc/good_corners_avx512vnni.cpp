#if defined(__x86_64__)
#include "good_corners.h"

namespace edgefer {

// Wider scores; the search for their peaks gains nothing from wider vectors.
std::ptrdiff_t good_corners_u8_avx512vnni(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch) {
  return good_corners_by_rows(image, mask, limits, scratch, shi_tomasi_rows_avx512vnni, corner_rows_avx2);
}

}  // namespace edgefer
#endif
