// What the variants of good_corners share.
#pragma once

#include "kernels.h"

namespace edgefer {

// good_corners with the given score; arguments and scratch as there.
std::ptrdiff_t good_corners_by_score(ImageU8 image, ImageU8 mask, CornerLimits limits, void* scratch,
                                     ShiTomasiFn shi_tomasi);

}  // namespace edgefer
