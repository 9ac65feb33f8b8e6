// fully_connected, Mlp, fully_connected_int8 and MlpInt8 for Python.
#include <cmath>

#include "python/network.h"

namespace edgefer {
namespace {

// Rows of x: one for shape (in,), else the batch.
struct Batch {
  py::ssize_t rows;
  py::ssize_t columns;
  bool single;
};

// Of an array that was checked.
template <class T> const T* data_of(py::handle array) {
  return reinterpret_cast<const T*>(py::detail::array_proxy(array.ptr())->data);
}

template <class T> Batch checked_batch(const char* op, py::handle x, py::ssize_t inputs) {
  const bool single = py::isinstance<py::array>(x) && py::reinterpret_borrow<py::array>(x).ndim() == 1;
  const auto array = checked_contiguous<T>(op, "x", "(N, in) or (in,)", single ? 1 : 2, x);
  const Batch batch{single ? 1 : array.shape(0), array.shape(single ? 0 : 1), single};
  if (batch.columns != inputs || batch.rows < 1)
    throw py::value_error(mismatch(op, "x",
                                   std::string(dtype_name<T>()) + " with shape (N, " + std::to_string(inputs) +
                                       ") or (" + std::to_string(inputs) + ",), N at least 1",
                                   x));
  return batch;
}

// Where the answer for a batch goes: `out` when it fits, else a new array.
template <class T>
py::array answer(const char* op, py::handle out, const Batch& batch, py::ssize_t outputs, py::handle x) {
  if (out.is_none()) return batch.single ? fresh<T>({outputs}) : fresh<T>({batch.rows, outputs});
  const auto fits = [&] {
    const auto& given = *py::detail::array_proxy(out.ptr());
    return batch.single ? given.nd == 1 && given.dimensions[0] == outputs
                        : given.nd == 2 && given.dimensions[0] == batch.rows && given.dimensions[1] == outputs;
  };
  if (!holds<T>(out) || !fits()) {
    const std::string shape = batch.single ? "(" + std::to_string(outputs) + ",)"
                                           : "(" + std::to_string(batch.rows) + ", " + std::to_string(outputs) + ")";
    checked<T>(op, "out", shape.c_str(), batch.single ? 1 : 2, out);
    throw py::value_error(mismatch(op, "out", std::string(dtype_name<T>()) + " with shape " + shape, out));
  }
  auto array = checked_contiguous<T>(op, "out", "", batch.single ? 1 : 2, out);
  if (!array.writeable()) throw py::value_error(std::string(op) + ": out must be writeable, got a read-only array");
  const auto input = py::reinterpret_borrow<py::array>(x);
  const Plane<const T> from{static_cast<const T*>(input.data()), 1, input.size(), input.size()};
  if (overlap(Plane<T>{static_cast<T*>(array.mutable_data()), 1, array.size(), array.size()}, from))
    throw py::value_error(std::string(op) + ": out overlaps the input");
  return array;
}

// The shape of a layer's weights and bias: (out, in), at least one of each, and (out,).
template <class Weight, class Bias>
std::pair<py::ssize_t, py::ssize_t> layer_shape(const char* op, py::handle weights, py::handle bias) {
  const auto matrix = checked_contiguous<Weight>(op, "weights", "(out, in)", 2, weights);
  if (matrix.size() == 0)
    throw py::value_error(std::string(op) + ": weights must not be empty, got " + described(weights));
  const auto vector = checked_contiguous<Bias>(op, "bias", "(out,)", 1, bias);
  if (vector.shape(0) != matrix.shape(0))
    throw py::value_error(mismatch(op, "bias",
                                   std::string(dtype_name<Bias>()) + " with shape (" + std::to_string(matrix.shape(0)) +
                                       ",), the weights' outputs",
                                   bias));
  return {matrix.shape(0), matrix.shape(1)};
}

DenseLayer checked_layer(const char* op, py::handle weights, py::handle bias, std::string_view activation) {
  const auto [outputs, inputs] = layer_shape<float, float>(op, weights, bias);
  return {data_of<float>(weights), data_of<float>(bias), inputs, outputs,
          chosen<Activation>(op, "activation", activation,
                             {{"none", Activation::none},
                              {"sigmoid", Activation::sigmoid},
                              {"relu", Activation::relu},
                              {"softmax", Activation::softmax}})};
}

// Of one sample, for the GIL.
double nanoseconds(const DenseLayer& layer) { return static_cast<double>(layer.inputs * layer.outputs) / 8; }

const Kernel<FullyConnectedFn>& fully_connected_kernel() {
  static const Kernel<FullyConnectedFn> kernel{"fully_connected"};
  return kernel;
}

}  // namespace

py::object fully_connected(PyObject* const* values) {
  const py::handle x = values[0], weights = values[1], bias = values[2], activation = values[3], out = values[4];
  FullyConnectedFn* const kernel = fully_connected_kernel().get();
  const DenseLayer layer =
      checked_layer("fully_connected", weights, bias, text("fully_connected", "activation", activation));
  const Batch batch = checked_batch<float>("fully_connected", x, layer.inputs);
  py::array y = answer<float>("fully_connected", out, batch, layer.outputs, x);
  const auto* from = data_of<float>(x);
  auto* to = static_cast<float*>(y.mutable_data());
  {
    const Unlocked unlocked(nanoseconds(layer) * static_cast<double>(batch.rows));
    layer.run(kernel, from, batch.rows, to);
  }
  return y;
}

namespace {

// A multilayer perceptron of float layers.
class Mlp {
 public:
  static constexpr const char* name = "Mlp";
  static constexpr const char* signature = "Mlp(layers)\n--\n\n";

  Mlp(PyObject* arguments, PyObject* keywords) {
    static const char* const names[] = {"layers", nullptr};
    PyObject* given = nullptr;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O:Mlp", const_cast<char**>(names), &given))
      throw py::error_already_set();
    const py::handle layers = given;
    if (!py::isinstance<py::sequence>(layers) || py::len(layers) == 0)
      throw py::value_error("Mlp: layers must be a sequence of (weights, bias, activation), got " + described(layers));
    for (const py::handle layer : layers) {
      if (!py::isinstance<py::tuple>(layer) || py::len(layer) != 3)
        throw py::type_error("Mlp: each layer must be a tuple (weights, bias, activation), got " + described(layer));
      const auto parts = py::reinterpret_borrow<py::tuple>(layer);
      layers_.push_back(checked_layer(name, parts[0], parts[1], text(name, "activation", parts[2])));
      const DenseLayer& added = layers_.back();
      if (layers_.size() > 1 && added.inputs != layers_[layers_.size() - 2].outputs)
        throw py::value_error("Mlp: layer " + std::to_string(layers_.size() - 1) + " must take the " +
                              std::to_string(layers_[layers_.size() - 2].outputs) +
                              " outputs of the layer before it, got weights for " + std::to_string(added.inputs));
      widest_ = std::max(widest_, added.outputs);
      nanoseconds_ += nanoseconds(added);
    }
  }

  py::object operator()(py::handle x, py::handle out) const {
    FullyConnectedFn* const kernel = fully_connected_kernel().get();
    const Batch batch = checked_batch<float>(name, x, layers_.front().inputs);
    py::array y = answer<float>(name, out, batch, layers_.back().outputs, x);
    const auto* from = data_of<float>(x);
    auto* to = static_cast<float*>(y.mutable_data());
    Hidden<float> hidden(layers_.size() > 1 ? 2 * widest_ * batch.rows : 0);
    {
      const Unlocked unlocked(nanoseconds_ * static_cast<double>(batch.rows));
      run(kernel, from, batch.rows, hidden.get(), to);
    }
    return y;
  }

  std::vector<py::ssize_t> sizes() const {
    std::vector<py::ssize_t> all{layers_.front().inputs};
    for (const DenseLayer& layer : layers_) all.push_back(layer.outputs);
    return all;
  }

 private:
  // The hidden layers write the two halves of `hidden` in turn.
  void run(FullyConnectedFn* kernel, const float* x, py::ssize_t batch, float* hidden, float* y) const {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      float* to = i + 1 < layers_.size() ? hidden + static_cast<py::ssize_t>(i % 2) * widest_ * batch : y;
      layers_[i].run(kernel, x, batch, to);
      x = to;
    }
  }

  std::vector<DenseLayer> layers_;
  py::ssize_t widest_ = 0;
  double nanoseconds_ = 0;
};

float positive_scale(const char* op, const char* name, py::handle given) {
  const double value = number(op, name, given);
  const auto scale = static_cast<float>(value);
  if (!(scale > 0) || !std::isfinite(scale))
    throw py::value_error(std::string(op) + ": " + name + " must be positive and finite in float32, got " +
                          std::to_string(value));
  return scale;
}

std::int32_t zero_point(const char* op, const char* name, py::handle given) {
  const py::ssize_t value = integer(op, name, given);
  if (value < -128 || value > 127)
    throw py::value_error(std::string(op) + ": " + name + " must be from -128 to 127, got " + std::to_string(value));
  return static_cast<std::int32_t>(value);
}

// How an int8 layer becomes int8 again.
Rescaling checked_rescaling(const char* op, std::int32_t input_zero_point, float input_scale, py::handle weight_scale,
                            float output_scale, std::int32_t output_zero_point, py::handle activation,
                            py::ssize_t outputs) {
  const ClampS8 clamp = chosen<ClampS8>(op, "activation", text(op, "activation", activation),
                                        {{"none", ClampS8::none},
                                         {"relu", ClampS8::relu},
                                         {"relu6", ClampS8::relu6},
                                         {"relu_n1_to_1", ClampS8::relu_n1_to_1}});
  float shared = 0;
  const float* scales = &shared;
  const bool one_scale =
      !py::isinstance<py::array>(weight_scale) || py::detail::array_proxy(weight_scale.ptr())->nd == 0;
  if (one_scale) {
    if (!PyNumber_Check(weight_scale.ptr()))
      throw py::type_error(mismatch(op, "weight_scale", "a number, or float32 with shape (out,)", weight_scale));
    shared = positive_scale(op, "weight_scale", weight_scale);
    if (!std::isfinite(input_scale * shared))
      throw py::value_error(std::string(op) + ": input_scale * weight_scale must be finite in float32, got " +
                            short_number(input_scale) + " * " + short_number(shared));
  } else {
    const auto given = checked_contiguous<float>(op, "weight_scale", "(out,)", 1, weight_scale);
    if (given.shape(0) != outputs)
      throw py::value_error(mismatch(
          op, "weight_scale", "a number, or float32 with shape (" + std::to_string(outputs) + ",)", weight_scale));
    scales = data_of<float>(given);
    for (py::ssize_t o = 0; o < outputs; ++o) positive_scale(op, "weight_scale", py::float_(scales[o]));
  }
  return {{input_zero_point, output_zero_point, input_scale, output_scale, scales, one_scale, clamp}, outputs};
}

// Nanoseconds of one sample, for the GIL.
double int8_nanoseconds(py::ssize_t inputs, py::ssize_t outputs) {
  return static_cast<double>(inputs) * static_cast<double>(outputs) / 50;
}

const Kernel<FullyConnectedS8Fn>& fully_connected_int8_kernel() {
  static const Kernel<FullyConnectedS8Fn> kernel{"fully_connected_int8"};
  return kernel;
}

// The zero point for which the variants need no correction: x86 multiplies x + 128, unsigned, NEON x itself.
#if defined(__aarch64__)
constexpr std::int32_t folded_zero_point = 0;
#else
constexpr std::int32_t folded_zero_point = -128;
#endif

// A copy that begins on a cache line: vectors as long as one then never cross two.
class AlignedBytes {
 public:
  AlignedBytes(const std::int8_t* from, py::ssize_t count) : memory_(count + 63) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    begin_ = memory_.data() + (64 - address % 64) % 64;
    std::copy_n(from, count, begin_);
  }
  AlignedBytes(AlignedBytes&&) = default;  // a moved vector keeps its memory

  const std::int8_t* data() const { return begin_; }

 private:
  std::vector<std::int8_t> memory_;
  std::int8_t* begin_;
};

// A multilayer perceptron of int8 layers.
class MlpInt8 {
 public:
  static constexpr const char* name = "MlpInt8";
  static constexpr const char* signature = "MlpInt8(layers, *, input_scale, input_zero_point)\n--\n\n";

  MlpInt8(PyObject* arguments, PyObject* keywords) {
    static const char* const names[] = {"layers", "input_scale", "input_zero_point", nullptr};
    PyObject *given = nullptr, *given_scale = nullptr, *given_zero_point = nullptr;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O$OO:MlpInt8", const_cast<char**>(names), &given,
                                     &given_scale, &given_zero_point))
      throw py::error_already_set();
    if (!given_scale || !given_zero_point)
      throw py::type_error("MlpInt8: input_scale and input_zero_point are missing");
    float scale = positive_scale(name, "input_scale", given_scale);
    std::int32_t zero = zero_point(name, "input_zero_point", given_zero_point);
    const py::handle layers = given;
    constexpr const char* expected = "(weights, bias, weight_scale, output_scale, output_zero_point, activation)";
    if (!py::isinstance<py::sequence>(layers) || py::len(layers) == 0)
      throw py::value_error(std::string("MlpInt8: layers must be a sequence of ") + expected + ", got " +
                            described(layers));
    for (const py::handle layer : layers) {
      if (!py::isinstance<py::tuple>(layer) || py::len(layer) != 6)
        throw py::type_error(std::string("MlpInt8: each layer must be a tuple ") + expected + ", got " +
                             described(layer));
      const auto parts = py::reinterpret_borrow<py::tuple>(layer);
      const py::object weights = parts[0], bias = parts[1];
      const auto [outputs, inputs] = layer_shape<std::int8_t, std::int32_t>(name, weights, bias);
      if (!layers_.empty() && inputs != layers_.back().outputs)
        throw py::value_error("MlpInt8: layer " + std::to_string(layers_.size()) + " must take the " +
                              std::to_string(layers_.back().outputs) +
                              " outputs of the layer before it, got weights for " + std::to_string(inputs));
      const float output_scale = positive_scale(name, "output_scale", parts[3]);
      const std::int32_t output_zero = zero_point(name, "output_zero_point", parts[4]);
      Rescaling rescaling =
          checked_rescaling(name, folded_zero_point, scale, parts[2], output_scale, output_zero, parts[5], outputs);
      const auto* matrix = data_of<std::int8_t>(weights);
      const auto* vector = data_of<std::int32_t>(bias);
      layers_.push_back({inputs, outputs, AlignedBytes(matrix, inputs * outputs),
                         std::vector<std::int32_t>(vector, vector + outputs), std::move(rescaling)});
      // (x - zero) w = (x - folded) w + (folded - zero) w; 32 bits wrap, as in the sums.
      for (py::ssize_t o = 0; o < outputs; ++o) {
        std::uint32_t sum = 0;
        for (py::ssize_t i = 0; i < inputs; ++i) sum += static_cast<std::uint32_t>(matrix[o * inputs + i]);
        std::int32_t& folded = layers_.back().bias[o];
        folded = static_cast<std::int32_t>(static_cast<std::uint32_t>(folded) +
                                           static_cast<std::uint32_t>(folded_zero_point - zero) * sum);
      }
      widest_ = std::max(widest_, outputs);
      nanoseconds_ += int8_nanoseconds(inputs, outputs);
      scale = output_scale;
      zero = output_zero;
    }
  }

  py::object operator()(py::handle x, py::handle out) const {
    FullyConnectedS8Fn* const kernel = fully_connected_int8_kernel().get();
    const Batch batch = checked_batch<std::int8_t>(name, x, layers_.front().inputs);
    py::array y = answer<std::int8_t>(name, out, batch, layers_.back().outputs, x);
    const auto* from = data_of<std::int8_t>(x);
    auto* last = static_cast<std::int8_t*>(y.mutable_data());
    const py::ssize_t half = widest_ * batch.rows;
    Hidden<std::int8_t> hidden(layers_.size() > 1 ? 2 * half : 0);
    {
      const Unlocked unlocked(nanoseconds_ * static_cast<double>(batch.rows));
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        const Int8Layer& layer = layers_[i];
        std::int8_t* to = i + 1 < layers_.size() ? hidden.get() + static_cast<py::ssize_t>(i % 2) * half : last;
        kernel(from, batch.rows, layer.inputs, layer.weights.data(), layer.bias.data(), layer.outputs,
               layer.rescaling.requantisation(), to);
        from = to;
      }
    }
    return y;
  }

  std::vector<py::ssize_t> sizes() const {
    std::vector<py::ssize_t> all{layers_.front().inputs};
    for (const Int8Layer& layer : layers_) all.push_back(layer.outputs);
    return all;
  }

 private:
  struct Int8Layer {
    py::ssize_t inputs, outputs;
    AlignedBytes weights;
    std::vector<std::int32_t> bias;  // for folded_zero_point
    Rescaling rescaling;
  };

  std::vector<Int8Layer> layers_;
  py::ssize_t widest_ = 0;
  double nanoseconds_ = 0;
};

}  // namespace

py::object make_mlp_type() { return network_type<Mlp>(); }
py::object make_mlp_int8_type() { return network_type<MlpInt8>(); }

py::object fully_connected_int8(PyObject* const* values) {
  constexpr const char* op = "fully_connected_int8";
  const py::handle x = values[0], weights = values[1], bias = values[2], weight_scale = values[6], out = values[9];
  FullyConnectedS8Fn* const run = fully_connected_int8_kernel().get();
  const auto [outputs, inputs] = layer_shape<std::int8_t, std::int32_t>(op, weights, bias);
  const Batch batch = checked_batch<std::int8_t>(op, x, inputs);
  const std::int32_t input_zero_point = zero_point(op, "input_zero_point", values[3]);
  const std::int32_t output_zero_point = zero_point(op, "output_zero_point", values[4]);
  const float input_scale = positive_scale(op, "input_scale", values[5]);
  const float output_scale = positive_scale(op, "output_scale", values[7]);
  const Rescaling rescaling = checked_rescaling(op, input_zero_point, input_scale, weight_scale, output_scale,
                                                output_zero_point, values[8], outputs);
  py::array y = answer<std::int8_t>(op, out, batch, outputs, x);
  auto* to = static_cast<std::int8_t*>(y.mutable_data());
  {
    const Unlocked unlocked(int8_nanoseconds(inputs, outputs) * static_cast<double>(batch.rows));
    run(data_of<std::int8_t>(x), batch.rows, inputs, data_of<std::int8_t>(weights), data_of<std::int32_t>(bias),
        outputs, rescaling.requantisation(), to);
  }
  return y;
}

}  // namespace edgefer
