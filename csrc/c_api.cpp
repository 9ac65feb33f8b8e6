// The C functions of edgefer.h over the kernels: checks every argument, provides working memory, lets no exception out.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cascade_model.h"
#include "dispatch.h"
#include "edgefer.h"
#include "kernels.h"
#include "resize_axis.h"

using namespace edgefer;

struct edgefer_mlp {
  struct Layer {
    std::ptrdiff_t inputs, outputs;
    Activation activation;
    std::vector<float> packed, bias;
  };
  std::vector<Layer> layers;
  std::ptrdiff_t widest_hidden = 0;
};

struct edgefer_cascade {
  CascadeModel model;
};

namespace {

// -------------------------------------------------------------------------------------------------------------- errors

thread_local char last_error[256] = "";

struct Refusal {
  edgefer_status status;
};

void note(const char* text) { std::snprintf(last_error, sizeof last_error, "%s", text); }

[[noreturn]] __attribute__((format(printf, 1, 2))) void refuse(const char* format, ...) {
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(last_error, sizeof last_error, format, values);
  va_end(values);
  throw Refusal{EDGEFER_BAD_ARGUMENT};
}

edgefer_status no_memory(const char* op) {
  std::snprintf(last_error, sizeof last_error, "%s: no memory for what it works with", op);
  return EDGEFER_NO_MEMORY;
}

// Runs the body of the function `op`; whatever it throws becomes a status and a line of text.
template <class Body>
edgefer_status guarded(const char* op, Body body) {
  try {
    body();
    return EDGEFER_OK;
  } catch (const Refusal& refusal) {
    return refusal.status;
  } catch (const BadIsa& bad) {
    note(bad.what());
    return EDGEFER_BAD_ISA;
  } catch (const std::bad_alloc&) {
    return no_memory(op);
  } catch (const std::length_error&) {  // a vector longer than any address
    return no_memory(op);
  } catch (const std::exception& unforeseen) {
    std::snprintf(last_error, sizeof last_error, "%s: %s", op, unforeseen.what());
    return EDGEFER_FAILED;
  }
}

// --------------------------------------------------------------------------------------------------- choice of variant

thread_local const char* variant_of_this_thread = nullptr;

const Row& row_of_this_thread(const char* op) {
  if (!variant_of_this_thread) return active_row(op);
  try {
    return named_row(op, variant_of_this_thread);
  } catch (const std::invalid_argument& absent) {
    note(absent.what());
    throw Refusal{EDGEFER_BAD_ISA};
  }
}

// The function of an operation; `active` keeps the process's choice. Threads that meet here store the same value.
template <class Fn>
Fn chosen(const char* op, std::atomic<Fn>& active) {
  if (variant_of_this_thread) return std::get<Fn>(row_of_this_thread(op).function);
  Fn function = active.load(std::memory_order_relaxed);
  if (!function) {
    function = std::get<Fn>(active_row(op).function);
    active.store(function, std::memory_order_relaxed);
  }
  return function;
}

// Operations and their variants as arrays of names that end with null.
struct Names {
  std::vector<const char*> operations;
  std::vector<std::vector<const char*>> variants;

  Names() {
    for (const std::string& op : edgefer::operations()) {
      std::vector<const char*> isas;
      for (const Row* row : runnable(op)) {
        if (isas.empty()) operations.push_back(row->op);
        isas.push_back(isa_name(row->isa));
      }
      isas.push_back(nullptr);
      variants.push_back(std::move(isas));
    }
    operations.push_back(nullptr);
  }
};

const Names& names() {
  static const Names all;
  return all;
}

const std::vector<const char*>& variants_of(const char* op) {
  if (!op) refuse("operation must not be null");
  for (std::size_t i = 0; i < names().variants.size(); ++i)
    if (std::string(names().operations[i]) == op) return names().variants[i];
  refuse("unknown kernel '%.60s'", op);
}

// ----------------------------------------------------------------------------------------------------------- arguments

constexpr std::ptrdiff_t max_side = INT32_MAX;

void check_size(const char* op, const char* name, std::ptrdiff_t size, std::ptrdiff_t most = max_side) {
  if (size < 1) refuse("%s: %s must be at least 1, got %td", op, name, size);
  if (size > most) refuse("%s: %s must be at most %td, got %td", op, name, most, size);
}

void check_one_of(const char* op, const char* name, int value, int count) {
  if (value < 0 || value >= count) refuse("%s: %s must be 0 to %d, got %d", op, name, count - 1, value);
}

template <class T>
void check_pointer(const char* op, const char* name, const T* pointer) {
  if (!pointer) refuse("%s: %s must not be null", op, name);
  if (reinterpret_cast<std::uintptr_t>(pointer) % alignof(T))
    refuse("%s: %s must be aligned to %zu bytes", op, name, alignof(T));
}

// The bytes an argument takes in memory, from the first to one past the last.
struct Extent {
  const char* name;
  std::uintptr_t first, end;
};

template <class T>
Extent extent_of(const char* op, const char* name, const Plane<T>& plane) {
  constexpr std::ptrdiff_t bytes = sizeof(T);
  std::ptrdiff_t last_row = 0, below = 0, above = 0;
  const auto start = reinterpret_cast<std::uintptr_t>(plane.data);
  Extent extent{name, start, start};
  // Sizes and strides whose product no address can hold must not wrap around into a harmless one.
  const bool overflow = __builtin_mul_overflow(plane.height - 1, plane.row_stride, &last_row) ||
                        __builtin_mul_overflow(std::min<std::ptrdiff_t>(0, last_row), bytes, &below) ||
                        __builtin_add_overflow(std::max<std::ptrdiff_t>(0, last_row), plane.width, &above) ||
                        __builtin_mul_overflow(above, bytes, &above) ||
                        __builtin_add_overflow(start, below, &extent.first) ||
                        __builtin_add_overflow(start, above, &extent.end);
  if (overflow)
    refuse("%s: %s of %td rows, %td elements apart, does not fit into memory", op, name, plane.height,
           plane.row_stride);
  return extent;
}

// A plane of checked height, and the memory it takes. With one row the stride is not read: whatever it was, the
// kernels get one that is harmless.
template <class T>
Plane<T> plane(const char* op, const char* name, T* data, std::ptrdiff_t height, std::ptrdiff_t width,
               std::ptrdiff_t row_stride) {
  check_pointer(op, name, data);
  return {data, height, width, height > 1 ? row_stride : width};
}

void check_apart(const char* op, const Extent& a, const Extent& b) {
  if (a.first < b.end && b.first < a.end) refuse("%s: %s overlaps %s", op, b.name, a.name);
}

struct Input {
  ImageU8 plane;
  Extent extent;
};

// An image whose rows have `depth` bytes a pixel.
Input input(const char* op, const char* name, const std::uint8_t* data, std::ptrdiff_t height, std::ptrdiff_t width,
            std::ptrdiff_t row_stride, std::ptrdiff_t depth = 1) {
  check_size(op, "height", height);
  check_size(op, "width", width);
  const ImageU8 image = plane<const std::uint8_t>(op, name, data, height, depth * width, row_stride);
  return {image, extent_of(op, name, image)};
}

template <class T>
struct Output {
  Plane<T> plane;
  Extent extent;
};

// An output apart from the input; sizes are checked already.
template <class T>
Output<T> output(const char* op, const char* name, T* data, std::ptrdiff_t height, std::ptrdiff_t width,
                 std::ptrdiff_t row_stride, const Extent& input) {
  const Plane<T> target = plane(op, name, data, height, width, row_stride);
  const Extent extent = extent_of(op, name, target);
  if (height > 1 && row_stride < width && row_stride > -width)
    refuse("%s: %s has rows of %td that overlap at a stride of %td", op, name, width, row_stride);
  check_apart(op, input, extent);
  return {target, extent};
}

// Arrays without gaps: rows * columns elements.
template <class T>
Extent array(const char* op, const char* name, const T* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
  check_pointer(op, name, data);
  return extent_of(op, name, Plane<const T>{data, rows, columns, columns});
}

int checked_block_size(const char* op, int block_size) {
  if (block_size < 3 || block_size > 15 || block_size % 2 == 0)
    refuse("%s: block_size must be odd, 3 to 15, got %d", op, block_size);
  return block_size;
}

int checked_aperture(const char* op, int aperture) {
  if (aperture != 1 && aperture != 3) refuse("%s: aperture must be 1 or 3, got %d", op, aperture);
  return aperture;
}

Border checked_border(const char* op, edgefer_border border) {
  check_one_of(op, "border", border, 2);
  return border == EDGEFER_BORDER_REPLICATE ? Border::replicate : Border::reflect101;
}

// Working memory of a kernel, 64-byte aligned. Throws bad_alloc.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : memory_(::operator new(bytes, alignment)) {}
  ~Scratch() { ::operator delete(memory_, alignment); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  void* get() const { return memory_; }

 private:
  static constexpr std::align_val_t alignment{64};
  void* memory_;
};

// ----------------------------------------------------------------------------------------------- crop_resize and stack

constexpr double max_coordinate = 1e6;
constexpr std::ptrdiff_t max_size = 4096;

void check_box(const char* op, const double* box, edgefer_method method, std::ptrdiff_t out_height,
               std::ptrdiff_t out_width) {
  check_pointer(op, "box", box);
  for (int i = 0; i < 4; ++i)
    if (!(std::fabs(box[i]) <= max_coordinate))
      refuse("%s: box must be finite and within 1e6 pixels, got %g", op, box[i]);
  if (!(box[0] < box[2] && box[1] < box[3]))
    refuse("%s: box must have x0 < x1 and y0 < y1, got (%g, %g, %g, %g)", op, box[0], box[1], box[2], box[3]);
  check_one_of(op, "method", method, 3);
  check_size(op, "out_height", out_height, max_size);
  check_size(op, "out_width", out_width, max_size);
}

// Makes the two axes, in this thread's memory.
ResizeMemory& resampling(const ImageU8& image, const double* box, edgefer_method method, std::ptrdiff_t out_height,
                         std::ptrdiff_t out_width) {
  constexpr ResizeMethod methods[] = {ResizeMethod::automatic, ResizeMethod::area, ResizeMethod::bilinear};
  ResizeMemory& memory = resize_memory_of_this_thread();
  resize_axis(box[0], box[2], image.width, out_width, methods[method], memory.columns);
  resize_axis(box[1], box[3], image.height, out_height, methods[method], memory.rows);
  return memory;
}

StackPlan stack_plan(const edgefer_channel* channels, const float* multipliers, const float* offsets, int count) {
  constexpr Channel kinds[] = {Channel::grey, Channel::gx, Channel::gy, Channel::laplacian};
  if (count < 1 || count > max_channels) refuse("stack: channel_count must be 1 to %d, got %d", max_channels, count);
  check_pointer("stack", "channels", channels);
  check_pointer("stack", "multipliers", multipliers);
  check_pointer("stack", "offsets", offsets);
  StackPlan plan{};
  plan.channels = count;
  for (int c = 0; c < count; ++c) {
    check_one_of("stack", "a channel", channels[c], max_channels);
    if (std::count(channels, channels + c, channels[c]) > 0) refuse("stack: channel %d is given twice", channels[c]);
    if (!std::isfinite(multipliers[c]) || !std::isfinite(offsets[c]))
      refuse("stack: multipliers and offsets must be finite, got %g and %g", static_cast<double>(multipliers[c]),
             static_cast<double>(offsets[c]));
    plan.kinds[c] = kinds[channels[c]];
    plan.multipliers[c] = multipliers[c];
    plan.offsets[c] = offsets[c];
  }
  return plan;
}

// -------------------------------------------------------------------------------------------------------- dense layers

FullyConnectedFn fully_connected_kernel() {
  static std::atomic<FullyConnectedFn> active{nullptr};
  return chosen("fully_connected", active);
}

edgefer_mlp::Layer packed_layer(const char* op, const edgefer_layer& layer) {
  constexpr Activation activations[] = {Activation::none, Activation::sigmoid, Activation::relu, Activation::softmax};
  const std::ptrdiff_t inputs = layer.inputs, outputs = layer.outputs;
  check_size(op, "inputs", inputs);
  check_size(op, "outputs", outputs);
  array(op, "weights", layer.weights, outputs, inputs);
  array(op, "bias", layer.bias, 1, outputs);
  check_one_of(op, "activation", layer.activation, 4);
  const std::ptrdiff_t padded = (outputs + panel - 1) / panel * panel;
  edgefer_mlp::Layer made{inputs, outputs, activations[layer.activation], {}, {}};
  made.packed.resize(static_cast<std::size_t>(padded * inputs));
  made.bias.assign(layer.bias, layer.bias + outputs);
  made.bias.resize(static_cast<std::size_t>(padded));
  for (std::ptrdiff_t o = 0; o < outputs; ++o)
    for (std::ptrdiff_t i = 0; i < inputs; ++i)
      made.packed[(o / panel * inputs + i) * panel + o % panel] = layer.weights[o * inputs + i];
  return made;
}

void run_layer(FullyConnectedFn kernel, const edgefer_mlp::Layer& layer, const float* x, std::ptrdiff_t batch,
               float* y) {
  kernel(x, batch, layer.inputs, layer.packed.data(), layer.bias.data(), layer.outputs, y);
  activate(layer.activation, y, batch, layer.outputs);
}

float checked_scale(const char* name, float scale) {
  if (!(scale > 0) || !std::isfinite(scale))
    refuse("fully_connected_int8: %s must be positive and finite, got %g", name, static_cast<double>(scale));
  return scale;
}

void check_zero_point(const char* name, std::int32_t zero_point) {
  if (zero_point < -128 || zero_point > 127)
    refuse("fully_connected_int8: %s must be from -128 to 127, got %d", name, static_cast<int>(zero_point));
}

// The factor of one output. TFLite takes the product of the scales in float for one scale of all weights, in double for
// one of each output.
double real_multiplier(const edgefer_quantisation& q, std::ptrdiff_t output) {
  const auto output_scale = static_cast<double>(q.output_scale);
  const float weight_scale = q.weight_scales[q.weight_scale_count == 1 ? 0 : output];
  if (q.weight_scale_count > 1)
    return static_cast<double>(q.input_scale) * static_cast<double>(weight_scale) / output_scale;
  const float product = q.input_scale * weight_scale;
  return static_cast<double>(product) / output_scale;
}

// The ends of an activation's range as int8, at most the type's own.
std::pair<std::int32_t, std::int32_t> clamp_range(const edgefer_quantisation& q) {
  const auto quantised = [&](float value) {
    // A tiny scale must not leave the range of an integer.
    const double steps = std::round(static_cast<double>(value / q.output_scale));
    return static_cast<std::int32_t>(std::clamp(steps + q.output_zero_point, -128.0, 127.0));
  };
  switch (q.clamp) {
    case EDGEFER_CLAMP_RELU: return {quantised(0), 127};
    case EDGEFER_CLAMP_RELU6: return {quantised(0), quantised(6)};
    case EDGEFER_CLAMP_RELU_N1_TO_1: return {quantised(-1), quantised(1)};
    default: return {-128, 127};
  }
}

}  // namespace

// --------------------------------------------------------------------------------------------------------- the library

const char* edgefer_version() { return EDGEFER_VERSION; }

int edgefer_abi_version() { return EDGEFER_ABI_VERSION; }

const char* edgefer_last_error() { return last_error; }

const char* const* edgefer_operations() {
  const char* const* found = nullptr;
  guarded("operations", [&] { found = names().operations.data(); });
  return found;
}

const char* const* edgefer_variants(const char* operation) {
  const char* const* found = nullptr;
  guarded("variants", [&] { found = variants_of(operation).data(); });
  return found;
}

const char* edgefer_active(const char* operation) {
  const char* found = nullptr;
  guarded("active", [&] {
    variants_of(operation);
    found = isa_name(row_of_this_thread(operation).isa);
  });
  return found;
}

edgefer_status edgefer_use_variant(const char* variant) {
  return guarded("use_variant", [&] {
    if (!variant) {
      variant_of_this_thread = nullptr;
      return;
    }
    for (const Isa isa : all_isas) {
      if (std::string(isa_name(isa)) != variant || !cpu_has(isa)) continue;
      variant_of_this_thread = isa_name(isa);
      return;
    }
    std::snprintf(last_error, sizeof last_error, "use_variant: this processor has no '%.60s'", variant);
    throw Refusal{EDGEFER_BAD_ISA};
  });
}

// -------------------------------------------------------------------------------------------------- gradients, corners

edgefer_status edgefer_sobel(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                             edgefer_border border, int16_t* gx, ptrdiff_t gx_stride, int16_t* gy,
                             ptrdiff_t gy_stride) {
  constexpr const char* op = "sobel";
  return guarded(op, [&] {
    static std::atomic<SobelFn> active{nullptr};
    const SobelFn run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const Border edge = checked_border(op, border);
    const auto to_x = output(op, "gx", gx, height, width, gx_stride, from.extent);
    const auto to_y = output(op, "gy", gy, height, width, gy_stride, from.extent);
    check_apart(op, to_x.extent, to_y.extent);
    run(from.plane, edge, to_x.plane, to_y.plane);
  });
}

edgefer_status edgefer_laplacian(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                 int aperture, edgefer_border border, int16_t* out, ptrdiff_t out_stride) {
  constexpr const char* op = "laplacian";
  return guarded(op, [&] {
    static std::atomic<LaplacianFn> active{nullptr};
    const LaplacianFn run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const int size = checked_aperture(op, aperture);
    const Border edge = checked_border(op, border);
    const auto to = output(op, "out", out, height, width, out_stride, from.extent);
    run(from.plane, size, edge, to.plane);
  });
}

edgefer_status edgefer_gradients(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                 int aperture, edgefer_border border, int16_t* gx, ptrdiff_t gx_stride, int16_t* gy,
                                 ptrdiff_t gy_stride, int16_t* laplacian, ptrdiff_t laplacian_stride) {
  constexpr const char* op = "gradients";
  return guarded(op, [&] {
    static std::atomic<GradientsFn> active{nullptr};
    const GradientsFn run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const int size = checked_aperture(op, aperture);
    const Border edge = checked_border(op, border);
    const auto to_x = output(op, "gx", gx, height, width, gx_stride, from.extent);
    const auto to_y = output(op, "gy", gy, height, width, gy_stride, from.extent);
    const auto to_second = output(op, "laplacian", laplacian, height, width, laplacian_stride, from.extent);
    check_apart(op, to_x.extent, to_y.extent);
    check_apart(op, to_x.extent, to_second.extent);
    check_apart(op, to_y.extent, to_second.extent);
    run(from.plane, size, edge, to_x.plane, to_y.plane, to_second.plane);
  });
}

edgefer_status edgefer_shi_tomasi(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                  int block_size, edgefer_border border, float* score, ptrdiff_t score_stride) {
  constexpr const char* op = "shi_tomasi";
  return guarded(op, [&] {
    static std::atomic<ShiTomasiFn> active{nullptr};
    const ShiTomasiFn run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const int block = checked_block_size(op, block_size);
    const Border edge = checked_border(op, border);
    const auto to = output(op, "score", score, height, width, score_stride, from.extent);
    const Scratch scratch(shi_tomasi_scratch_bytes(width, block));
    run(from.plane, block, edge, to.plane, scratch.get());
  });
}

edgefer_status edgefer_good_corners(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                    const uint8_t* mask, ptrdiff_t mask_stride, double quality_level,
                                    double min_distance, int block_size, edgefer_corner* corners, ptrdiff_t max_corners,
                                    ptrdiff_t* corner_count) {
  constexpr const char* op = "good_corners";
  return guarded(op, [&] {
    static std::atomic<GoodCornersFn> active{nullptr};
    const GoodCornersFn run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    if (height > INT32_MAX / width)
      refuse("%s: image must have fewer than 2^31 pixels, got %td x %td", op, height, width);
    ImageU8 allowed{nullptr, height, width, 0};
    Extent allowed_extent{"mask", 0, 0};
    if (mask) {
      const Input given = input(op, "mask", mask, height, width, mask_stride);
      allowed = given.plane;
      allowed_extent = given.extent;
    }
    if (!(quality_level > 0) || std::isinf(quality_level))
      refuse("%s: quality_level must be above 0 and finite, got %g", op, quality_level);
    if (!(min_distance >= 0) || std::isinf(min_distance))
      refuse("%s: min_distance must be 0 or more and finite, got %g", op, min_distance);
    const int block = checked_block_size(op, block_size);
    check_size(op, "max_corners", max_corners);
    const Extent to = array(op, "corners", corners, 1, max_corners);
    const Extent count_to = array(op, "corner_count", corner_count, 1, 1);
    for (const Extent& written : {to, count_to}) {
      check_apart(op, from.extent, written);
      if (mask) check_apart(op, allowed_extent, written);
    }
    check_apart(op, to, count_to);
    const Scratch scratch(good_corners_scratch_bytes(height, width, block));
    const std::ptrdiff_t count =
        run(from.plane, allowed, {max_corners, quality_level, min_distance, block}, scratch.get());
    const auto* found = static_cast<const Corner*>(scratch.get());
    for (std::ptrdiff_t i = 0; i < count; ++i) corners[i] = {found[i].x, found[i].y};
    *corner_count = count;
  });
}

edgefer_status edgefer_flow(const uint8_t* before, ptrdiff_t height, ptrdiff_t width, ptrdiff_t before_stride,
                            const uint8_t* after, ptrdiff_t after_stride, const float* points, ptrdiff_t point_count,
                            int window, int levels, float* there, float* error) {
  constexpr const char* op = "flow";
  return guarded(op, [&] {
    static std::atomic<FlowFn> active{nullptr};
    const FlowFn run = chosen(op, active);
    const Input first = input(op, "before", before, height, width, before_stride);
    const Input second = input(op, "after", after, height, width, after_stride);
    if (std::min(height, width) < 3 || std::max(height, width) > flow_max_side)
      refuse("%s: before must have 3 to %td pixels a side, got %td x %td", op, flow_max_side, height, width);
    if (window < 3 || window > flow_max_window || window % 2 == 0)
      refuse("%s: window must be odd, 3 to %d, got %d", op, flow_max_window, window);
    if (levels < 1 || levels > flow_max_levels)
      refuse("%s: levels must be 1 to %d, got %d", op, flow_max_levels, levels);
    check_size(op, "point_count", point_count);
    const Extent given = array(op, "points", points, point_count, 2);
    const Extent to_there = array(op, "there", there, point_count, 2);
    const Extent to_error = array(op, "error", error, 1, point_count);
    for (const Extent& written : {to_there, to_error})
      for (const Extent& read : {first.extent, second.extent, given}) check_apart(op, read, written);
    check_apart(op, to_there, to_error);
    for (std::ptrdiff_t i = 0; i < point_count; ++i) {
      const float x = points[2 * i], y = points[2 * i + 1];
      if (!(x >= 0 && y >= 0 && x <= static_cast<float>(width - 1) && y <= static_cast<float>(height - 1)))
        refuse("%s: points must lie in the image, got (%g, %g) at index %td", op, static_cast<double>(x),
               static_cast<double>(y), i);
    }
    const Scratch scratch(flow_scratch_bytes(height, width, window, levels));
    run(first.plane, second.plane, {point_count, points, there, error}, window, levels, scratch.get());
  });
}

// --------------------------------------------------------------------------------------------------------------- faces

edgefer_status edgefer_cascade_create(int width, int height, const int8_t* rectangles, const float* weights,
                                      const float* thresholds, const float* leaves, ptrdiff_t tree_count,
                                      const int32_t* stage_trees, const float* stage_thresholds, ptrdiff_t stage_count,
                                      edgefer_cascade** cascade) {
  constexpr const char* op = "cascade_create";
  return guarded(op, [&] {
    check_pointer(op, "cascade", cascade);
    *cascade = nullptr;
    check_size(op, "tree_count", tree_count);
    check_size(op, "stage_count", stage_count);
    array(op, "rectangles", rectangles, tree_count, 24);
    array(op, "weights", weights, tree_count, 6);
    array(op, "thresholds", thresholds, tree_count, 2);
    array(op, "leaves", leaves, tree_count, 4);
    array(op, "stage_trees", stage_trees, 1, stage_count);
    array(op, "stage_thresholds", stage_thresholds, 1, stage_count);
    try {
      *cascade = new edgefer_cascade{CascadeModel({width, height, tree_count, rectangles, weights, thresholds, leaves,
                                                   stage_count, stage_trees, stage_thresholds})};
    } catch (const std::invalid_argument& wrong) {
      refuse("%s", wrong.what());
    }
  });
}

edgefer_status edgefer_cascade_windows(const edgefer_cascade* cascade, const uint8_t* image, ptrdiff_t height,
                                       ptrdiff_t width, ptrdiff_t image_stride, int step, edgefer_corner* windows,
                                       ptrdiff_t max_windows, ptrdiff_t* window_count) {
  constexpr const char* op = "cascade";
  return guarded(op, [&] {
    static std::atomic<CascadeFn> active{nullptr};
    const CascadeFn run = chosen(op, active);
    check_pointer(op, "cascade", cascade);
    const Input from = input(op, "image", image, height, width, image_stride);
    if (width > cascade_max_width || height > INT32_MAX / width)
      refuse("%s: image must be at most %td wide, and below 2^31 pixels, got %td x %td", op, cascade_max_width, height,
             width);
    if (step != 1 && step != 2) refuse("%s: step must be 1 or 2, got %d", op, step);
    check_size(op, "max_windows", max_windows);
    const Extent to = array(op, "windows", windows, 1, max_windows);
    const Extent count_to = array(op, "window_count", window_count, 1, 1);
    check_apart(op, from.extent, to);
    check_apart(op, from.extent, count_to);
    check_apart(op, to, count_to);
    const Cascade& model = cascade->model.cascade();
    std::ptrdiff_t count = 0;
    if (width >= model.width && height >= model.height) {
      const Scratch scratch(cascade_scratch_bytes(height, width, model, step));
      count = run(from.plane, model, step, scratch.get());
      const auto* found = static_cast<const Corner*>(scratch.get());
      for (std::ptrdiff_t i = 0; i < std::min(count, max_windows); ++i) windows[i] = {found[i].x, found[i].y};
    }
    *window_count = count;
  });
}

void edgefer_cascade_free(edgefer_cascade* cascade) { delete cascade; }

// --------------------------------------------------------------------------------------------------- a network's input

edgefer_status edgefer_luma(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                            edgefer_luma_format format, uint8_t* out, ptrdiff_t out_stride) {
  constexpr const char* op = "luma";
  return guarded(op, [&] {
    static std::atomic<LumaFn> active{nullptr};
    const LumaFn run = chosen(op, active);
    constexpr LumaFormat formats[] = {LumaFormat::yuyv, LumaFormat::nv12, LumaFormat::bgr};
    constexpr std::ptrdiff_t depths[] = {2, 1, 3};
    check_one_of(op, "format", format, 3);
    Input from = input(op, "image", image, height, width, image_stride, depths[format]);
    const auto to = output(op, "out", out, height, width, out_stride, from.extent);
    run(from.plane, formats[format], to.plane);
  });
}

edgefer_status edgefer_crop_resize(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                   const double box[4], edgefer_method method, uint8_t* out, ptrdiff_t out_height,
                                   ptrdiff_t out_width, ptrdiff_t out_stride) {
  constexpr const char* op = "crop_resize";
  return guarded(op, [&] {
    static std::atomic<CropResizeFn> active{nullptr};
    const CropResizeFn run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    check_box(op, box, method, out_height, out_width);
    const auto to = output(op, "out", out, out_height, out_width, out_stride, from.extent);
    ResizeMemory& memory = resampling(from.plane, box, method, out_height, out_width);
    const Axis columns = memory.columns.view();
    run(from.plane, columns, memory.rows.view(), to.plane, memory.scratch(crop_resize_scratch_bytes(columns)));
  });
}

edgefer_status edgefer_stack(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                             const double box[4], edgefer_method method, const edgefer_channel* channels,
                             const float* multipliers, const float* offsets, int channel_count, int8_t* out,
                             ptrdiff_t out_height, ptrdiff_t out_width) {
  constexpr const char* op = "stack";
  return guarded(op, [&] {
    static std::atomic<StackFn> active{nullptr};
    const StackFn run = chosen(op, active);
    const Input from = input(op, "image", image, height, width, image_stride);
    const StackPlan kinds = stack_plan(channels, multipliers, offsets, channel_count);
    check_box(op, box, method, out_height, out_width);
    check_apart(op, from.extent, array(op, "out", out, out_height, out_width * channel_count));
    ResizeMemory& memory = resampling(from.plane, box, method, out_height, out_width);
    const Axis columns = memory.columns.view();
    run(from.plane, columns, memory.rows.view(), kinds, out, memory.scratch(stack_scratch_bytes(columns)));
  });
}

// -------------------------------------------------------------------------------------------------------- dense layers

edgefer_status edgefer_fully_connected(const float* x, ptrdiff_t batch, ptrdiff_t inputs, const float* weights,
                                       const float* bias, ptrdiff_t outputs, edgefer_activation activation, float* y) {
  constexpr const char* op = "fully_connected";
  return guarded(op, [&] {
    const FullyConnectedFn run = fully_connected_kernel();
    check_size(op, "batch", batch);
    const auto layer = packed_layer(op, {weights, bias, inputs, outputs, activation});
    check_apart(op, array(op, "x", x, batch, inputs), array(op, "y", y, batch, outputs));
    run_layer(run, layer, x, batch, y);
  });
}

edgefer_status edgefer_mlp_create(const edgefer_layer* layers, ptrdiff_t layer_count, edgefer_mlp** mlp) {
  constexpr const char* op = "mlp_create";
  return guarded(op, [&] {
    check_pointer(op, "mlp", mlp);
    *mlp = nullptr;
    check_size(op, "layer_count", layer_count);
    check_pointer(op, "layers", layers);
    auto made = std::make_unique<edgefer_mlp>();
    for (std::ptrdiff_t i = 0; i < layer_count; ++i) {
      if (i > 0) {
        const std::ptrdiff_t before = made->layers.back().outputs;
        if (layers[i].inputs != before)
          refuse("%s: layer %td must take the %td outputs of the layer before it, got %td inputs", op, i, before,
                 layers[i].inputs);
        made->widest_hidden = std::max(made->widest_hidden, before);
      }
      made->layers.push_back(packed_layer(op, layers[i]));
    }
    *mlp = made.release();
  });
}

edgefer_status edgefer_mlp_run(const edgefer_mlp* mlp, const float* x, ptrdiff_t batch, float* y) {
  constexpr const char* op = "mlp_run";
  return guarded(op, [&] {
    const FullyConnectedFn run = fully_connected_kernel();
    check_pointer(op, "mlp", mlp);
    check_size(op, "batch", batch);
    const auto& layers = mlp->layers;
    check_apart(op, array(op, "x", x, batch, layers.front().inputs), array(op, "y", y, batch, layers.back().outputs));
    // The hidden layers write the two halves in turn. Both factors are below 2^31.
    std::vector<float> hidden(2 * static_cast<std::size_t>(mlp->widest_hidden * batch));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      float* to = i + 1 < layers.size() ? hidden.data() + i % 2 * (hidden.size() / 2) : y;
      run_layer(run, layers[i], x, batch, to);
      x = to;
    }
  });
}

void edgefer_mlp_free(edgefer_mlp* mlp) { delete mlp; }

edgefer_status edgefer_fully_connected_int8(const int8_t* x, ptrdiff_t batch, ptrdiff_t inputs, const int8_t* weights,
                                            const int32_t* bias, ptrdiff_t outputs,
                                            const edgefer_quantisation* quantisation, int8_t* y) {
  constexpr const char* op = "fully_connected_int8";
  return guarded(op, [&] {
    static std::atomic<FullyConnectedS8Fn> active{nullptr};
    const FullyConnectedS8Fn run = chosen(op, active);
    check_size(op, "batch", batch);
    check_size(op, "inputs", inputs);
    check_size(op, "outputs", outputs);
    const Extent to = array(op, "y", y, batch, outputs);
    check_apart(op, array(op, "x", x, batch, inputs), to);
    check_apart(op, array(op, "weights", weights, outputs, inputs), to);
    check_apart(op, array(op, "bias", bias, 1, outputs), to);
    check_pointer(op, "quantisation", quantisation);
    const edgefer_quantisation& q = *quantisation;
    check_zero_point("input_zero_point", q.input_zero_point);
    check_zero_point("output_zero_point", q.output_zero_point);
    checked_scale("input_scale", q.input_scale);
    checked_scale("output_scale", q.output_scale);
    if (q.weight_scale_count != 1 && q.weight_scale_count != outputs)
      refuse("%s: weight_scale_count must be 1 or %td, got %td", op, outputs, q.weight_scale_count);
    array(op, "weight_scales", q.weight_scales, 1, q.weight_scale_count);
    for (std::ptrdiff_t i = 0; i < q.weight_scale_count; ++i) checked_scale("a weight scale", q.weight_scales[i]);
    if (q.weight_scale_count == 1) checked_scale("input_scale * weight_scale", q.input_scale * q.weight_scales[0]);
    check_one_of(op, "clamp", q.clamp, 4);
    std::vector<std::int32_t> multipliers(static_cast<std::size_t>(outputs)), shifts(multipliers.size());
    for (std::ptrdiff_t o = 0; o < outputs; ++o) quantise_multiplier(real_multiplier(q, o), multipliers[o], shifts[o]);
    const auto [lowest, highest] = clamp_range(q);
    run(x, batch, inputs, weights, bias, outputs,
        {q.input_zero_point, q.output_zero_point, multipliers.data(), shifts.data(), lowest, highest}, y);
  });
}
