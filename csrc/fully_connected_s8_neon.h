// What the NEON variants of fully_connected_int8 share.
#pragma once
#if defined(__aarch64__)

#include "kernels.h"

namespace edgefer {

// For four outputs, or the fewer that are left: the last row stands for those that are not there. Writes sums of x *
// weight, or of the weights alone when x is null, into sums[4].
using Dot4Fn = void (*)(const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights, std::ptrdiff_t outputs,
                        std::int32_t* sums);

// The layer over the sums of one variant.
void fully_connected_s8_by(Dot4Fn dot4, const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                           const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                           const Requantisation& requantisation, std::int8_t* y);

}  // namespace edgefer
#endif
