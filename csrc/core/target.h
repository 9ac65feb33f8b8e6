// Opens and closes the region of a file that is compiled for one instruction set: EDGEFER_BEGIN_AVX2 (or another) after
// all includes, EDGEFER_END_TARGET before the end. Neither templates nor inline functions may be defined between them.
// Plain NEON belongs to every aarch64 and needs no region.
#pragma once

// For a helper whose arguments are constant in each of its callers. Only in an anonymous namespace, where the linker
// has no copies to choose from.
#define EDGEFER_ALWAYS_INLINE __attribute__((always_inline)) inline

#define EDGEFER_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define EDGEFER_BEGIN(features) \
  EDGEFER_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define EDGEFER_END_TARGET _Pragma("clang attribute pop")
#else
#define EDGEFER_BEGIN(features) _Pragma("GCC push_options") EDGEFER_PRAGMA(GCC target(features))
#define EDGEFER_END_TARGET _Pragma("GCC pop_options")
#endif

#define EDGEFER_BEGIN_SSE41 EDGEFER_BEGIN("sse4.1")
#define EDGEFER_BEGIN_AVX2 EDGEFER_BEGIN("avx2")
#define EDGEFER_BEGIN_AVX512BW EDGEFER_BEGIN("avx512f,avx512bw,avx512vl,avx2")
#define EDGEFER_BEGIN_AVX512VNNI EDGEFER_BEGIN("avx512f,avx512bw,avx512vl,avx512vnni,avx2")
#if defined(__clang__)
#define EDGEFER_BEGIN_NEON_DOTPROD EDGEFER_BEGIN("dotprod")
#else
#define EDGEFER_BEGIN_NEON_DOTPROD EDGEFER_BEGIN("arch=armv8.2-a+dotprod")
#endif
