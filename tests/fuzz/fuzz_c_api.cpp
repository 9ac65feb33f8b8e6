// A libFuzzer target for the C functions: the input's bytes become arguments, right ones and wrong ones. Every buffer
// has exactly the bytes that its arguments claim, so that AddressSanitizer sees the first one beyond. A function must
// return a status it declares, with a line of text when it refuses.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "edgefer.h"

namespace {

// Takes arguments from the input; beyond its end everything is zero.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  template <class T> T raw() {
    T value{};
    auto* to = reinterpret_cast<std::uint8_t*>(&value);
    for (std::size_t i = 0; i < sizeof value; ++i) to[i] = byte();
    return value;
  }
  // Mostly small, now and then at the ends of a type.
  std::ptrdiff_t size() {
    const std::uint8_t b = byte();
    if (b < 0xE0) return b % 7 + 1;
    if (b < 0xF0) return b % 40 + 1;
    constexpr std::ptrdiff_t odd[] = {
        0,   -1,  std::ptrdiff_t{1} << 31, INT32_MAX, 70, 97, PTRDIFF_MAX, PTRDIFF_MIN, -5, 65536, 1 << 20, 4097,
        130, 257, std::ptrdiff_t{1} << 62, 64};
    return odd[b & 15];
  }
  // A row stride for rows of `width`.
  std::ptrdiff_t stride(std::ptrdiff_t width) {
    const std::uint8_t b = byte();
    if (b < 0x60) return width;
    if (b < 0xA0) return static_cast<std::ptrdiff_t>(static_cast<std::size_t>(width) + (b & 31));
    if (b < 0xD0) return static_cast<std::ptrdiff_t>(~static_cast<std::size_t>(width) + 1 - (b & 31));
    if (b < 0xE0) return width / 2 - (b & 15);
    constexpr std::ptrdiff_t odd[] = {0, 1, -1, PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MAX / 2, PTRDIFF_MIN / 3, 1 << 20};
    return odd[b & 7];
  }
  // A choice of 0 to count - 1, seldom another.
  int choice(int count) {
    const std::uint8_t b = byte();
    return b < 0xF8 ? b % count : b == 0xF8 ? -1 : b == 0xF9 ? count : raw<std::int16_t>() * 32000;
  }
  double real() {
    const std::uint8_t b = byte();
    if (b < 0x80) return b / 8.0;
    if (b < 0xC0) return b - 160;
    if (b < 0xE0) return raw<double>();
    if (b < 0xF0) return raw<std::int32_t>() / 1000.0;
    constexpr double odd[] = {0, -0.0, 1e6, -1e6, 1e-300, 1e300, HUGE_VAL, NAN};
    return odd[b & 7];
  }
  bool seldom() { return byte() == 0xFF; }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

// Memory of one call. What a call could not be given in earnest, because no such memory exists, it gets a few bytes of:
// the arguments alone must make it refuse.
class Memory {
 public:
  ~Memory() {
    for (void* block : blocks_) std::free(block);
  }

  bool possible() const { return possible_; }

  // Rows of `width` elements, `stride` apart; the first row's address. Filled from a seed.
  template <class T> T* plane(Bytes& bytes, std::ptrdiff_t height, std::ptrdiff_t width, std::ptrdiff_t stride) {
    if (bytes.seldom()) return nullptr;
    const __int128 reach = height > 1 ? static_cast<__int128>(height - 1) * stride : 0;
    const __int128 count = (reach < 0 ? -reach : reach) + width;
    const bool refused = height < 1 || width < 1 || height > INT32_MAX || width > 3 * std::ptrdiff_t{INT32_MAX} ||
                         count > PTRDIFF_MAX / static_cast<std::ptrdiff_t>(sizeof(T));
    const bool small = count <= (1 << 16) / static_cast<std::ptrdiff_t>(sizeof(T));
    if (!refused && !small) possible_ = false;
    const auto elements = refused || !small ? 1 : static_cast<std::size_t>(count);
    const std::size_t shift = bytes.seldom() ? 1 : 0;  // misaligned for all but bytes
    auto* block = static_cast<std::uint8_t*>(std::malloc(elements * sizeof(T) + shift));
    if (!block) std::abort();
    blocks_.push_back(block);
    // A pattern of a few bytes from the input, over and over.
    std::uint8_t pattern[64];
    const std::uint8_t base = bytes.byte(), factor = bytes.byte();
    for (int i = 0; i < 64; ++i) pattern[i] = static_cast<std::uint8_t>(base + i * factor + (i * i >> 3));
    for (std::size_t i = 0; i < elements * sizeof(T) + shift; i += 64)
      std::memcpy(block + i, pattern, std::min<std::size_t>(64, elements * sizeof(T) + shift - i));
    auto* first = reinterpret_cast<T*>(block + shift);
    return !refused && small && reach < 0 ? first - static_cast<std::ptrdiff_t>(reach) : first;
  }

  // rows * columns elements without gaps.
  template <class T> T* array(Bytes& bytes, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return plane<T>(bytes, rows, columns, columns);
  }
  // The same, of ordinary numbers.
  float* floats(Bytes& bytes, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    auto* values = array<float>(bytes, rows, columns);
    const bool aligned = reinterpret_cast<std::uintptr_t>(values) % alignof(float) == 0;
    if (values && aligned && possible_ && rows >= 1 && columns >= 1 && rows <= 1 << 16 && columns <= 1 << 16 &&
        rows * columns <= 1 << 14 && !bytes.seldom())
      for (std::ptrdiff_t i = 0; i < rows * columns; ++i)
        values[i] = static_cast<float>(reinterpret_cast<std::uint8_t*>(values + i)[0]) / 64 - 2;
    return values;
  }

 private:
  std::vector<void*> blocks_;
  bool possible_ = true;
};

void check(const char* op, edgefer_status status) {
  if (status == EDGEFER_OK) return;
  const char* text = edgefer_last_error();
  const bool sound = status > EDGEFER_OK && status < EDGEFER_FAILED && std::strlen(text) < 256 &&
                     std::strncmp(text, op, std::strlen(op)) == 0 && !std::strchr(text, '\n');
  if (sound) return;
  std::fprintf(stderr, "%s: status %d, '%s'\n", op, status, text);
  std::abort();
}

// Mostly odd, 3 to 15.
int block_size(Bytes& bytes) {
  const int choice = bytes.choice(7);
  return choice >= 0 && choice < 7 ? 2 * choice + 3 : choice;
}

// One image and where it is.
struct Image {
  std::ptrdiff_t height, width, stride;
  std::uint8_t* rows;

  Image(Bytes& bytes, Memory& memory, std::ptrdiff_t depth = 1) : height(bytes.size()), width(bytes.size()) {
    const std::ptrdiff_t row = width > 0 && width <= INT32_MAX ? depth * width : width;
    stride = bytes.stride(row);
    // Rows in one place make an image of any height from little memory; what goes with it would take gigabytes.
    if (height > 0 && width > 0 && height <= INT32_MAX && width <= INT32_MAX && height * width > 1 << 20) height = 1;
    rows = memory.plane<std::uint8_t>(bytes, height, row, stride);
  }
};

template <class T> struct Output {
  std::ptrdiff_t stride;
  T* rows;

  Output(Bytes& bytes, Memory& memory, std::ptrdiff_t height, std::ptrdiff_t width)
      : stride(bytes.stride(width)), rows(memory.plane<T>(bytes, height, width, stride)) {}
};

void image_operation(int which, Bytes& bytes) {
  Memory memory;
  const Image image(bytes, memory);
  const int border = bytes.choice(2), aperture = bytes.choice(4);
  if (which == 3) {
    const Output<float> score(bytes, memory, image.height, image.width);
    const int block = block_size(bytes);
    if (memory.possible())
      check("shi_tomasi", edgefer_shi_tomasi(image.rows, image.height, image.width, image.stride, block, border,
                                             score.rows, score.stride));
    return;
  }
  Output<std::int16_t> gx(bytes, memory, image.height, image.width);
  Output<std::int16_t> gy(bytes, memory, image.height, image.width);
  const Output<std::int16_t> second(bytes, memory, image.height, image.width);
  if (bytes.seldom()) gy.rows = gx.rows;
  if (bytes.seldom()) gx.rows = reinterpret_cast<std::int16_t*>(image.rows);
  if (!memory.possible()) return;
  const bool sound = gx.rows != gy.rows && static_cast<void*>(gx.rows) != image.rows;
  edgefer_status status = EDGEFER_OK;
  if (which == 0) {
    status = edgefer_sobel(image.rows, image.height, image.width, image.stride, border, gx.rows, gx.stride, gy.rows,
                           gy.stride);
    check("sobel", status);
  } else if (which == 1) {
    check("laplacian", edgefer_laplacian(image.rows, image.height, image.width, image.stride, aperture, border,
                                         second.rows, second.stride));
  } else {
    status = edgefer_gradients(image.rows, image.height, image.width, image.stride, aperture, border, gx.rows,
                               gx.stride, gy.rows, gy.stride, second.rows, second.stride);
    check("gradients", status);
  }
  if (which != 1 && !sound && status == EDGEFER_OK) std::abort();  // overlapping memory was written
}

void good_corners(Bytes& bytes) {
  Memory memory;
  const Image image(bytes, memory);
  const std::ptrdiff_t mask_stride = bytes.stride(image.width);
  const bool masked = bytes.byte() & 1;
  const auto* mask = masked ? memory.plane<std::uint8_t>(bytes, image.height, image.width, mask_stride) : nullptr;
  const double quality = bytes.real(), distance = bytes.real();
  const int block = block_size(bytes);
  const std::ptrdiff_t most = bytes.size();
  auto* corners = memory.array<edgefer_corner>(bytes, 1, most);
  std::ptrdiff_t count = -1;
  if (!memory.possible()) return;
  const edgefer_status status =
      edgefer_good_corners(image.rows, image.height, image.width, image.stride, mask, mask_stride, quality, distance,
                           block, corners, most, bytes.seldom() ? nullptr : &count);
  check("good_corners", status);
  if (status == EDGEFER_OK && (count < 0 || count > most)) std::abort();
}

void flow(Bytes& bytes) {
  Memory memory;
  const Image image(bytes, memory);
  const std::ptrdiff_t after_stride = bytes.stride(image.width);
  const auto* after = memory.plane<std::uint8_t>(bytes, image.height, image.width, after_stride);
  const std::ptrdiff_t size = bytes.size(), count = size > 2 && size < 64 ? 1 : size;  // each point takes long
  float* points = memory.array<float>(bytes, count, 2);
  auto *there = memory.array<float>(bytes, count, 2), *error = memory.array<float>(bytes, 1, count);
  const int window = block_size(bytes), levels = bytes.choice(5) + 1;
  if (!memory.possible() || (count > 300 && count < 65536)) return;  // thousands of points take seconds
  if (points && count >= 1 && count <= 1 << 12 && reinterpret_cast<std::uintptr_t>(points) % alignof(float) == 0 &&
      !bytes.seldom()) {
    for (std::ptrdiff_t i = 0; i < 2 * count; ++i) {
      const auto side = static_cast<float>(i % 2 ? image.height : image.width) - 1;
      points[i] = static_cast<float>(reinterpret_cast<std::uint8_t*>(points + i)[0]) / 255 * side;
    }
  }
  check("flow", edgefer_flow(image.rows, image.height, image.width, image.stride, after, after_stride, points, count,
                             window, levels, there, error));
}

void cascade(Bytes& bytes) {
  Memory memory;
  const std::ptrdiff_t trees = bytes.size(), stages = bytes.size();
  const int width = bytes.choice(30) + 3, height = bytes.choice(30) + 3;
  auto* rectangles = memory.array<std::int8_t>(bytes, trees, 24);
  const float* weights = memory.floats(bytes, trees, 6);
  const float* thresholds = memory.floats(bytes, trees, 2);
  const float* leaves = memory.floats(bytes, trees, 4);
  auto* stage_trees = memory.array<std::int32_t>(bytes, 1, stages);
  const float* stage_thresholds = memory.floats(bytes, 1, stages);
  if (!memory.possible()) return;
  const bool small = trees >= 1 && trees <= 1000 && stages >= 1 && stages <= 1000;
  if (rectangles && small && !bytes.seldom())  // in order, and mostly inside
    for (std::ptrdiff_t i = 0; i < 24 * trees; ++i)
      rectangles[i] = static_cast<std::int8_t>((rectangles[i] & 7) % 3 + (i & 2 ? 2 : 0));
  if (stage_trees && small && reinterpret_cast<std::uintptr_t>(stage_trees) % alignof(std::int32_t) == 0 &&
      !bytes.seldom())
    for (std::ptrdiff_t i = 0; i < stages; ++i)
      stage_trees[i] = static_cast<std::int32_t>(i + 1 < stages ? 1 : trees - stages + 1);
  edgefer_cascade* made = nullptr;
  const edgefer_status status = edgefer_cascade_create(width, height, rectangles, weights, thresholds, leaves, trees,
                                                       stage_trees, stage_thresholds, stages, &made);
  check("cascade", status);
  if ((status == EDGEFER_OK) != (made != nullptr)) std::abort();
  const Image image(bytes, memory);
  const int step = bytes.choice(3) + 1;
  const std::ptrdiff_t most = bytes.size();
  auto* windows = memory.array<edgefer_corner>(bytes, 1, most);
  std::ptrdiff_t count = -1;
  if (memory.possible()) {
    const edgefer_status found = edgefer_cascade_windows(made, image.rows, image.height, image.width, image.stride,
                                                         step, windows, most, bytes.seldom() ? nullptr : &count);
    check("cascade", found);
    if (found == EDGEFER_OK && count < 0) std::abort();
  }
  edgefer_cascade_free(made);
}

void luma(Bytes& bytes) {
  Memory memory;
  const int format = bytes.choice(3);
  const Image image(bytes, memory, format == EDGEFER_LUMA_YUYV ? 2 : format == EDGEFER_LUMA_BGR ? 3 : 1);
  const Output<std::uint8_t> out(bytes, memory, image.height, image.width);
  if (memory.possible())
    check("luma", edgefer_luma(image.rows, image.height, image.width, image.stride, format, out.rows, out.stride));
}

void resize(bool stacked, Bytes& bytes) {
  Memory memory;
  const Image image(bytes, memory);
  double box[4];
  for (double& coordinate : box) coordinate = bytes.real();
  if (bytes.byte() < 0xC0) box[2] += box[0] + 1, box[3] += box[1] + 1;
  const int method = bytes.choice(3);
  const std::ptrdiff_t height = bytes.size(), width = bytes.size();
  const double* given = bytes.seldom() ? nullptr : box;
  if (!stacked) {
    const Output<std::uint8_t> out(bytes, memory, height, width);
    if (memory.possible())
      check("crop_resize", edgefer_crop_resize(image.rows, image.height, image.width, image.stride, given, method,
                                               out.rows, height, width, out.stride));
    return;
  }
  const int count = bytes.choice(4) + 1;
  int channels[8];
  float multipliers[8], offsets[8];
  for (int c = 0; c < 8; ++c) {
    channels[c] = bytes.byte() < 0xF0 ? (c + count) % 4 : bytes.choice(4);
    multipliers[c] = static_cast<float>(bytes.real());
    offsets[c] = static_cast<float>(bytes.real());
  }
  const bool sizes_fit = width >= 1 && width <= 4096 && count >= 1 && count <= 4;
  auto* out = memory.array<std::int8_t>(bytes, height, sizes_fit ? width * count : width);
  if (memory.possible())
    check("stack", edgefer_stack(image.rows, image.height, image.width, image.stride, given, method, channels,
                                 multipliers, offsets, count, out, height, width));
}

void fully_connected(Bytes& bytes) {
  Memory memory;
  const std::ptrdiff_t batch = bytes.size(), inputs = bytes.size(), outputs = bytes.size();
  const float *x = memory.floats(bytes, batch, inputs), *weights = memory.floats(bytes, outputs, inputs),
              *bias = memory.floats(bytes, 1, outputs);
  auto* y = memory.array<float>(bytes, batch, outputs);
  if (bytes.seldom()) y = const_cast<float*>(x);
  const int activation = bytes.choice(4);
  if (!memory.possible()) return;
  const edgefer_status status = edgefer_fully_connected(x, batch, inputs, weights, bias, outputs, activation, y);
  check("fully_connected", status);
  if (y == x && status == EDGEFER_OK) std::abort();
}

void mlp(Bytes& bytes) {
  Memory memory;
  const std::ptrdiff_t count = bytes.seldom() ? 0 : bytes.byte() % 4 + 1;
  std::ptrdiff_t inputs = bytes.size();
  const std::ptrdiff_t first_inputs = inputs;
  std::vector<edgefer_layer> layers;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    if (i > 0 && bytes.seldom()) inputs = bytes.size();
    const std::ptrdiff_t outputs = bytes.size();
    const float *weights = memory.floats(bytes, outputs, inputs), *bias = memory.floats(bytes, 1, outputs);
    layers.push_back({weights, bias, inputs, outputs, bytes.choice(4)});
    inputs = outputs;
  }
  if (!memory.possible()) return;
  edgefer_mlp* made = nullptr;
  const edgefer_status status = edgefer_mlp_create(bytes.seldom() ? nullptr : layers.data(), count, &made);
  check("mlp_create", status);
  if ((status == EDGEFER_OK) != (made != nullptr)) std::abort();
  if (made) {
    const std::ptrdiff_t batch = bytes.size();
    const float* x = memory.floats(bytes, batch, first_inputs);
    auto* y = memory.array<float>(bytes, batch, inputs);
    if (memory.possible()) check("mlp_run", edgefer_mlp_run(made, x, batch, y));
  }
  edgefer_mlp_free(made);
}

void fully_connected_int8(Bytes& bytes) {
  Memory memory;
  const std::ptrdiff_t batch = bytes.size(), inputs = bytes.size(), outputs = bytes.size();
  const auto *x = memory.array<std::int8_t>(bytes, batch, inputs),
             *weights = memory.array<std::int8_t>(bytes, outputs, inputs);
  const auto* bias = memory.array<std::int32_t>(bytes, 1, outputs);
  auto* y = memory.array<std::int8_t>(bytes, batch, outputs);
  edgefer_quantisation q{};
  q.weight_scale_count = bytes.byte() < 0x80 ? 1 : bytes.byte() < 0xF0 ? outputs : bytes.size();
  q.weight_scales = memory.floats(bytes, 1, q.weight_scale_count);
  if (!memory.possible()) return;
  const bool writable = q.weight_scales && reinterpret_cast<std::uintptr_t>(q.weight_scales) % alignof(float) == 0;
  for (std::ptrdiff_t i = 0; writable && i < q.weight_scale_count && q.weight_scale_count <= 1 << 12; ++i) {
    auto& scale = const_cast<float&>(q.weight_scales[i]);
    scale = i == 0 ? static_cast<float>(bytes.real()) : std::fabs(scale);
  }
  q.input_zero_point = bytes.choice(256) - 128;
  q.output_zero_point = bytes.choice(256) - 128;
  q.input_scale = static_cast<float>(bytes.real());
  q.output_scale = static_cast<float>(bytes.real());
  q.clamp = bytes.choice(4);
  check("fully_connected_int8",
        edgefer_fully_connected_int8(x, batch, inputs, weights, bias, outputs, bytes.seldom() ? nullptr : &q, y));
}

void names(Bytes& bytes) {
  std::string text;
  for (int i = bytes.byte() % 16; i > 0; --i) text += static_cast<char>(bytes.byte());
  const char* const* variants = edgefer_variants(text.c_str());
  if ((edgefer_active(text.c_str()) != nullptr) != (variants != nullptr)) std::abort();
  if (edgefer_use_variant(text.c_str()) == EDGEFER_OK) edgefer_use_variant(nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  const std::uint8_t which = bytes.byte(), variant = bytes.byte();
  constexpr const char* ops[] = {
      "sobel",       "laplacian", "gradients",       "shi_tomasi",      "good_corners",         "flow",   "luma",
      "crop_resize", "stack",     "fully_connected", "fully_connected", "fully_connected_int8", "cascade"};
  const int operation = which % 14;
  if (operation == 13) {
    names(bytes);
    return 0;
  }
  const char* const* variants = edgefer_variants(ops[operation]);
  int count = 0;
  while (variants[count]) ++count;
  edgefer_use_variant(variants[variant % count]);
  switch (operation) {
    case 4: good_corners(bytes); break;
    case 5: flow(bytes); break;
    case 6: luma(bytes); break;
    case 7: resize(false, bytes); break;
    case 8: resize(true, bytes); break;
    case 9: fully_connected(bytes); break;
    case 10: mlp(bytes); break;
    case 11: fully_connected_int8(bytes); break;
    case 12: cascade(bytes); break;
    default: image_operation(operation, bytes);
  }
  edgefer_use_variant(nullptr);
  return 0;
}
