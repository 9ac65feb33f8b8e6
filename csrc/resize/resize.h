// The family of resizing: crop_resize, stack, the tables of an axis, and what the variants share.
#pragma once

#include <vector>

#include "core/plane.h"

namespace edgefer {

// One axis of a resize: which source pixels a destination pixel is made of, and how much of each.
// Destination pixel i is sum of weights[first[i] + k] * source[start[i] + k] over k < count[i], weights adding up
// to 2^14. Zeros follow them up to the next multiple of eight, so that SIMD may always read eight. Neither start nor
// start + count ever falls from one pixel to the next.
struct Axis {
  std::ptrdiff_t size;        // destination pixels
  std::ptrdiff_t begin, end;  // the source pixels that occur at all
  std::int32_t most;          // the largest count
  std::int32_t factor;        // 2 or 4 where every destination pixel is the plain mean of so many neighbours, else 0
  const std::int32_t* start;  // [size], from begin
  const std::int32_t* count;  // [size], at least 1
  const std::int32_t* first;  // [size], a multiple of 8
  const std::int16_t* weights;
};

// crop_resize: columns are resized after rows, both in fixed point, so that every variant gives the same bits:
//   v[c]   = (sum over rows of weight * image[row, c] + 2^6) >> 7     at most 255 * 2^7, fits s16
//   out[i] = (sum over columns of weight * v[c] + 2^20) >> 21
// Axes lie inside the image; out has their sizes. `scratch` is the caller's, 64-byte aligned, of
// crop_resize_scratch_bytes; its contents do not matter.
std::size_t crop_resize_scratch_bytes(const Axis& columns);
using CropResizeFn = void(ImageU8 image, const Axis& columns, const Axis& rows, OutputU8 out, void* scratch);
CropResizeFn crop_resize_u8_scalar, crop_resize_u8_avx2, crop_resize_u8_neon;

// stack: crop_resize, then of the resized image its grey values, gx and gy (as sobel) and Laplacian (aperture 1),
// all with border reflect101, each quantised: clamp(rint(value * multiplier + offset), -128, 127) in float32, ties to
// even, product and sum rounded separately. out is (rows.size, columns.size, channels) without gaps.
enum class Channel : std::uint8_t { grey, gx, gy, laplacian };
constexpr int max_channels = 4;
struct StackPlan {
  int channels;  // 1 to max_channels, each kind at most once
  Channel kinds[max_channels];
  float multipliers[max_channels];
  float offsets[max_channels];
};
// `scratch` as above, of stack_scratch_bytes.
std::size_t stack_scratch_bytes(const Axis& columns);
using StackFn = void(ImageU8 image, const Axis& columns, const Axis& rows, const StackPlan& plan, std::int8_t* out,
                     void* scratch);
StackFn stack_u8_s8_scalar, stack_u8_s8_avx2, stack_u8_s8_neon;

// ---------------------------------------------------------------------------------------- the tables of a resize

// automatic is area where the image shrinks and bilinear where it does not, for each axis by itself.
enum class ResizeMethod { automatic, area, bilinear };

// Owns what an Axis points to; about 28 bytes for a destination pixel and 2 for a source pixel, whatever the box.
struct AxisTable {
  std::vector<std::int32_t> start, count, first;  // at least `size` each: they grow and never shrink
  std::vector<std::int16_t> weights;
  std::ptrdiff_t size = 0, begin = 0, end = 0;
  std::int32_t most = 0, factor = 0;

  Axis view() const {
    return {size, begin, end, most, factor, start.data(), count.data(), first.data(), weights.data()};
  }
};

// Makes `table` the axis that maps [low, high) of a side of `source` pixels onto `size` pixels. With
// s = (high - low) / size, destination pixel i covers [low + i s, low + (i + 1) s): area weighs every pixel by its
// share of that interval, bilinear interpolates at low + (i + 0.5) s - 0.5. Beyond the side its first and last pixel
// go on. low < high, both finite and at most 1e6 in size; source and size at least 1. A table used again allocates
// only to become larger, where it may throw bad_alloc.
void resize_axis(double low, double high, std::ptrdiff_t source, std::ptrdiff_t size, ResizeMethod method,
                 AxisTable& table);

// What a call of crop_resize or stack works in. It grows to the largest call and stays, one for each thread.
class ResizeMemory {
 public:
  AxisTable columns, rows;

  // 64-byte aligned, valid until the next call. May throw bad_alloc.
  void* scratch(std::size_t bytes);

 private:
  std::vector<std::uint8_t> bytes_;
};
ResizeMemory& resize_memory_of_this_thread();

// ------------------------------------------------------------------------------------------ shared by the variants

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

// Asks for what lies `ahead` bytes on: of a large image the rows of the next result are not in the cache, and are too
// far apart to be guessed by the processor. Past the image it asks for nothing of ours, and nothing happens.
inline void prefetch(const std::uint8_t* from, std::ptrdiff_t ahead) {
  __builtin_prefetch(
      reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(from) + static_cast<std::uintptr_t>(ahead)));
}

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
