#include <algorithm>  // std::min, std::max
#include <cstring>    // std::memcpy, std::memset
#include <initializer_list>
#include <utility>  // std::swap

#include "corners/rows.h"

namespace edgefer {
namespace {

// Parts of the scratch, each a whole number of cache lines.
constexpr std::size_t pixels_bytes = shi_tomasi_half + 128;  // a vector may reach past the end
constexpr std::ptrdiff_t row = 2 * shi_tomasi_half;          // of s16
constexpr std::ptrdiff_t derived_slots = 4;
constexpr std::size_t sums_bytes = sizeof(std::int32_t) * 6 * shi_tomasi_plane;
static_assert(pixels_bytes % 64 == 0 && sizeof(std::int16_t) * row % 64 == 0 && sums_bytes % 64 == 0);

std::ptrdiff_t slots_of(int block_size) { return block_size < 4 ? 4 : block_size < 8 ? 8 : 16; }

}  // namespace

// Half the square of the gradients' scale, 1 / (4 * 255 * block_size): the smaller eigenvalue is
// (trace - root) / 2.
float shi_tomasi_gain(int block_size) {
  const double scale = 1.0 / (4.0 * 255.0 * block_size);
  return static_cast<float>(0.5 * scale * scale);
}

std::size_t shi_tomasi_scratch_bytes(std::ptrdiff_t, int block_size) {
  return 3 * sums_bytes + sizeof(std::int16_t) * row * (derived_slots + slots_of(block_size) + 1) + 2 * pixels_bytes;
}

ShiTomasiWalk::ShiTomasiWalk(ImageU8 image, std::ptrdiff_t begin, std::ptrdiff_t end, int block_size, Border border,
                             void* scratch, const ShiTomasiRows& rows)
    : rows_(rows),
      image_(image),
      border_(border),
      block_size_(block_size),
      gain_(shi_tomasi_gain(block_size)),
      first_(begin > 0 ? begin - shi_tomasi_halo : 0),
      last_(std::min(end + shi_tomasi_halo, image.width)),
      scored_(std::min(end + 1, image.width) - first_),
      slots_(slots_of(block_size)),
      entering_(-(block_size / 2)) {
  char* memory = static_cast<char*>(scratch);
  for (TensorSums* sums : {&sums_[0], &sums_[1], &pairs_}) {
    sums->first = reinterpret_cast<std::int32_t*>(memory) + shi_tomasi_margin;
    memory += sums_bytes;
  }
  derived_ = reinterpret_cast<std::int16_t*>(memory);
  gradients_ = derived_ + derived_slots * row;
  memory += sizeof(std::int16_t) * row * (derived_slots + slots_ + 1);
  for (std::uint8_t*& pixels : pixels_) {
    pixels = reinterpret_cast<std::uint8_t*>(memory) + 64;
    memory += pixels_bytes;
  }
  std::memset(scratch, 0, sums_bytes);
  std::memset(gradients_ + slots_ * row, 0, sizeof(std::int16_t) * row);
  load_row(0);
  for (std::ptrdiff_t i = 0; i < block_size; ++i) {
    const Change change = enter();
    rows_.slide(last_ - first_, change.entering, change.leaving, sums_[0], sums_[0]);
  }
  extend(sums_[0]);
}

void ShiTomasiWalk::load_row(std::ptrdiff_t y) {
  const std::uint8_t* const from = image_.data + y * image_.row_stride;
  std::uint8_t* const pixels = pixels_[y & 1];
  const std::ptrdiff_t width = last_ - first_;
  std::memcpy(pixels, from + first_, static_cast<std::size_t>(width));
  pixels[-1] = from[first_ > 0 ? first_ - 1 : before_first(image_.width, border_)];
  pixels[width] = from[last_ < image_.width ? last_ : after_last(image_.width, border_)];
}

// Gradients of row made_. Pixels are copied one row ahead of their use: by then the copy has left the store buffer.
void ShiTomasiWalk::make_gradients() {
  const std::ptrdiff_t y = made_++;
  const std::ptrdiff_t above = y > 0 ? y - 1 : before_first(image_.height, border_);
  const std::ptrdiff_t below = made_ < image_.height ? made_ : after_last(image_.height, border_);
  const auto derived = [this](std::ptrdiff_t of) { return derived_ + (of & (derived_slots - 1)) * row; };
  for (; derived_rows_ < image_.height && derived_rows_ <= y + 1; ++derived_rows_) {
    if (derived_rows_ + 1 < image_.height) load_row(derived_rows_ + 1);
    rows_.derive(last_ - first_, pixels_[derived_rows_ & 1], derived(derived_rows_));
  }
  rows_.gradients(last_ - first_, derived(above), derived(y), derived(below), gradients_ + (y & (slots_ - 1)) * row);
}

// Row entering_ comes under the window: its gradients, and those that leave for it.
ShiTomasiWalk::Change ShiTomasiWalk::enter() {
  const std::ptrdiff_t leaving = entering_ - block_size_;
  const std::ptrdiff_t in = border_index(entering_, image_.height, border_);
  while (made_ <= in) make_gradients();
  const std::ptrdiff_t out =
      leaving < -(block_size_ / 2) ? slots_ : border_index(leaving, image_.height, border_) & (slots_ - 1);
  ++entering_;
  return {gradients_ + (in & (slots_ - 1)) * row, gradients_ + out * row};
}

// Fill in what the window sees beyond the image's left and right edges.
void ShiTomasiWalk::extend(TensorSums sums) const {
  const std::ptrdiff_t width = last_ - first_;
  const auto copy = [sums](std::ptrdiff_t to, std::ptrdiff_t from) {
    std::int32_t* const plane_to = sums.first + (to & 1) * shi_tomasi_plane + (to >> 1);
    const std::int32_t* const plane_from = sums.first + (from & 1) * shi_tomasi_plane + (from >> 1);
    for (int k = 0; k < 6; k += 2) plane_to[k * shi_tomasi_plane] = plane_from[k * shi_tomasi_plane];
  };
  for (std::ptrdiff_t i = 1; i <= block_size_ / 2; ++i) {
    if (first_ == 0) copy(-i, border_index(-i, image_.width, border_));
    if (last_ == image_.width) copy(width - 1 + i, border_index(image_.width - 1 + i, image_.width, border_) - first_);
  }
}

void ShiTomasiWalk::next(float* out) {
  const std::ptrdiff_t width = last_ - first_;
  const std::int16_t* const zeros = gradients_ + slots_ * row;
  const Change change = entering_ < image_.height + block_size_ / 2 ? enter() : Change{zeros, zeros};
  const TensorSums sums = sums_[0], below = sums_[1];
  std::swap(sums_[0], sums_[1]);
  if (block_size_ == 3) {
    rows_.score_and_slide(width, scored_, gain_, change.entering, change.leaving, sums, below, out);
  } else {
    rows_.slide(width, change.entering, change.leaving, sums, below);
    rows_.score(scored_, block_size_, gain_, sums, pairs_, out);
  }
  // Now rather than when it is needed: a vector that takes in a number just stored has to wait for it.
  extend(below);
}

void shi_tomasi_by_rows(ImageU8 image, int block_size, Border border, OutputF32 score, void* scratch,
                        const ShiTomasiRows& rows) {
  // From the right, so that a tile's worthless columns are written before the good ones of its neighbour.
  for (std::ptrdiff_t begin = (image.width - 1) / shi_tomasi_tile * shi_tomasi_tile; begin >= 0;
       begin -= shi_tomasi_tile) {
    ShiTomasiWalk walk(image, begin, std::min(begin + shi_tomasi_tile, image.width), block_size, border, scratch, rows);
    float* const first = score.data + walk.first_scored();
    for (std::ptrdiff_t y = 0; y < image.height; ++y) walk.next(first + y * score.row_stride);
  }
}

}  // namespace edgefer
