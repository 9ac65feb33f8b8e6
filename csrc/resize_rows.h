// Building blocks of crop_resize and stack that work on one row.
#pragma once

#include "kernels.h"

namespace edgefer {

// The working memory of one resize.
struct ResizeScratch {
  std::int32_t* sums;  // one for each source column, of the scalar variant
  std::int16_t* row;   // v of each source column, and resize_row_slack beyond them
  void* taps;          // 64-byte aligned, resize_taps_bytes: the columns' weights in a variant's own order
};
constexpr std::ptrdiff_t resize_row_slack = 64;  // SIMD may read and write past the last column
std::ptrdiff_t resize_taps_bytes(std::ptrdiff_t size);
ResizeScratch resize_scratch(const Axis& columns, void* memory);

// What a variant of the resize consists of: `arrange` once, which may be null, then `row` for each row y of the result.
struct ResizeSteps {
  void (*arrange)(const Axis& columns, const ResizeScratch& scratch);
  void (*row)(ImageU8 image, const Axis& columns, const Axis& rows, std::ptrdiff_t y, const ResizeScratch& scratch,
              std::uint8_t* out);
};
extern const ResizeSteps resize_steps_scalar, resize_steps_avx2, resize_steps_neon;

// The rows of v by plain code, and a row of the result from them: for what a variant has no vectors for.
void sum_rows_scalar(const std::uint8_t* from, std::ptrdiff_t stride, std::ptrdiff_t width, std::int32_t count,
                     const std::int16_t* weights, std::int16_t* to);
void sum_columns_scalar(const std::int16_t* row, const Axis& columns, std::ptrdiff_t begin, std::uint8_t* out);

// A row of means of factor x factor pixels, factor 2 or 4.
void mean_scalar(const std::uint8_t* from, std::ptrdiff_t stride, int factor, std::ptrdiff_t size, std::uint8_t* out);

// crop_resize from its steps; arguments as there.
void crop_resize_by_rows(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch,
                         const ResizeSteps& steps);

// How stack quantises, each number as often as a vector may want it. Where every multiplier is 2^-shift and every
// offset a multiple of it, the float32 arithmetic is exact, and s16 gives the same integers, ties to even:
//   (t + below_half + (t >> shift & odd)) >> shift  with t = value + term, below_half = 2^(shift-1) - 1 and odd = 1,
// the latter two 0 where shift is.
struct Quantiser {
  int channels;
  Channel kinds[max_channels];
  bool exact;
  alignas(64) float multipliers[max_channels][16];
  float offsets[max_channels][16];
  std::int16_t terms[max_channels][32], below_half[max_channels][32], odd[max_channels][32];
  std::int64_t shifts[max_channels][2];
};
Quantiser quantiser(const StackPlan& plan);

// One output row of stack from three resized ones, each with its pixel -1 first; `width` pixels, interleaved by
// channel. stack_row_slack bytes of a row may be read beyond its last pixel.
constexpr std::ptrdiff_t stack_row_slack = 33;  // the pixel beyond the edge, and 32 that SIMD may read past it
using StackRowFn = void (*)(const std::uint8_t* above, const std::uint8_t* here, const std::uint8_t* below,
                            std::ptrdiff_t width, const Quantiser& quantiser, std::int8_t* out);

// stack from its steps; arguments as there.
void stack_by_rows(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                   void* scratch, const ResizeSteps& steps, StackRowFn stack_row);

}  // namespace edgefer
