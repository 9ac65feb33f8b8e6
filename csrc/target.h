// Opens and closes the region of a file that is compiled for one instruction set: EDGEFER_BEGIN_AVX2 after all
// includes, EDGEFER_END_TARGET before the end. Neither templates nor inline functions may be defined between them.
#pragma once

#if defined(__clang__)
#define EDGEFER_BEGIN_AVX2 _Pragma("clang attribute push(__attribute__((target(\"avx2\"))), apply_to = function)")
#define EDGEFER_END_TARGET _Pragma("clang attribute pop")
#else
#define EDGEFER_BEGIN_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2\")")
#define EDGEFER_END_TARGET _Pragma("GCC pop_options")
#endif
