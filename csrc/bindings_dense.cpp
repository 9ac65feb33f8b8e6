// fully_connected, Mlp and fully_connected_int8 for Python.
#include <cmath>
#include <tuple>

#include "bindings.h"

namespace edgefer {
namespace {

// Rows of x: one for shape (in,), else the batch.
struct Batch {
  py::ssize_t rows;
  py::ssize_t columns;
  bool single;
};

template <class T>
Batch checked_batch(const char* op, py::handle x, py::ssize_t inputs) {
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
  if (out.is_none()) return batch.single ? py::array_t<T>(outputs) : py::array_t<T>({batch.rows, outputs});
  const std::string shape = batch.single ? "(" + std::to_string(outputs) + ",)"
                                         : "(" + std::to_string(batch.rows) + ", " + std::to_string(outputs) + ")";
  auto array = checked_contiguous<T>(op, "out", shape.c_str(), batch.single ? 1 : 2, out);
  if (array.shape(array.ndim() - 1) != outputs || (!batch.single && array.shape(0) != batch.rows))
    throw py::value_error(mismatch(op, "out", std::string(dtype_name<T>()) + " with shape " + shape, out));
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

// One layer, its weights packed as the kernels want them.
struct Layer {
  py::ssize_t inputs, outputs;
  Activation activation;
  std::vector<float> packed, bias;

  Layer(const char* op, py::handle weights, py::handle given_bias, const std::string& activation_name) {
    std::tie(outputs, inputs) = layer_shape<float, float>(op, weights, given_bias);
    activation = chosen<Activation>(op, "activation", activation_name,
                                    {{"none", Activation::none},
                                     {"sigmoid", Activation::sigmoid},
                                     {"relu", Activation::relu},
                                     {"softmax", Activation::softmax}});
    const auto* matrix = static_cast<const float*>(py::reinterpret_borrow<py::array>(weights).data());
    const auto* vector = static_cast<const float*>(py::reinterpret_borrow<py::array>(given_bias).data());
    const py::ssize_t padded = (outputs + panel - 1) / panel * panel;
    packed.resize(padded * inputs);
    bias.assign(vector, vector + outputs);
    bias.resize(padded);
    for (py::ssize_t o = 0; o < outputs; ++o)
      for (py::ssize_t i = 0; i < inputs; ++i)
        packed[(o / panel * inputs + i) * panel + o % panel] = matrix[o * inputs + i];
  }

  void run(FullyConnectedFn kernel, const float* x, py::ssize_t batch, float* y) const {
    kernel(x, batch, inputs, packed.data(), bias.data(), outputs, y);
    activate(activation, y, batch, outputs);
  }
};

Kernel<FullyConnectedFn>& fully_connected_kernel() {
  static Kernel<FullyConnectedFn> kernel{"fully_connected"};
  return kernel;
}

py::array fully_connected(py::handle x, py::handle weights, py::handle bias, const std::string& activation,
                          py::handle out) {
  const FullyConnectedFn kernel = fully_connected_kernel().get();
  const Layer layer("fully_connected", weights, bias, activation);
  const Batch batch = checked_batch<float>("fully_connected", x, layer.inputs);
  py::array y = answer<float>("fully_connected", out, batch, layer.outputs, x);
  const auto* from = static_cast<const float*>(py::reinterpret_borrow<py::array>(x).data());
  auto* to = static_cast<float*>(y.mutable_data());
  {
    py::gil_scoped_release release;
    layer.run(kernel, from, batch.rows, to);
  }
  return y;
}

class Mlp {
 public:
  explicit Mlp(py::handle layers) {
    if (!py::isinstance<py::sequence>(layers) || py::len(layers) == 0)
      throw py::value_error("Mlp: layers must be a sequence of (weights, bias, activation), got " + described(layers));
    for (const py::handle layer : layers) {
      if (!py::isinstance<py::tuple>(layer) || py::len(layer) != 3)
        throw py::type_error("Mlp: each layer must be a tuple (weights, bias, activation), got " + described(layer));
      const auto parts = py::reinterpret_borrow<py::tuple>(layer);
      if (!py::isinstance<py::str>(parts[2]))
        throw py::type_error("Mlp: activation must be a string, got " + described(parts[2]));
      layers_.emplace_back("Mlp", parts[0], parts[1], parts[2].cast<std::string>());
      const Layer& added = layers_.back();
      if (layers_.size() > 1 && added.inputs != layers_[layers_.size() - 2].outputs)
        throw py::value_error("Mlp: layer " + std::to_string(layers_.size() - 1) + " must take the " +
                              std::to_string(layers_[layers_.size() - 2].outputs) +
                              " outputs of the layer before it, got weights for " + std::to_string(added.inputs));
      widest_ = std::max(widest_, added.outputs);
      work_ += added.outputs * added.inputs;
    }
  }

  py::array operator()(py::handle x, py::handle out) const {
    const FullyConnectedFn kernel = fully_connected_kernel().get();
    const Batch batch = checked_batch<float>("Mlp", x, layers_.front().inputs);
    py::array y = answer<float>("Mlp", out, batch, layers_.back().outputs, x);
    const auto* from = static_cast<const float*>(py::reinterpret_borrow<py::array>(x).data());
    auto* to = static_cast<float*>(y.mutable_data());
    std::vector<float> hidden(layers_.size() > 1 ? 2 * widest_ * batch.rows : 0);
    // Handing the GIL over takes longer than a small network.
    if (work_ * batch.rows < 1 << 14) {
      run(kernel, from, batch.rows, hidden.data(), to);
    } else {
      py::gil_scoped_release release;
      run(kernel, from, batch.rows, hidden.data(), to);
    }
    return y;
  }

  std::vector<py::ssize_t> sizes() const {
    std::vector<py::ssize_t> all{layers_.front().inputs};
    for (const Layer& layer : layers_) all.push_back(layer.outputs);
    return all;
  }

 private:
  // The hidden layers write the two halves of `hidden` in turn.
  void run(FullyConnectedFn kernel, const float* x, py::ssize_t batch, float* hidden, float* y) const {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      float* to = i + 1 < layers_.size() ? hidden + i % 2 * widest_ * batch : y;
      layers_[i].run(kernel, x, batch, to);
      x = to;
    }
  }

  std::vector<Layer> layers_;
  py::ssize_t widest_ = 0, work_ = 0;
};

float positive_scale(const char* name, double value) {
  const auto scale = static_cast<float>(value);
  if (!(scale > 0) || !std::isfinite(scale))
    throw py::value_error(std::string("fully_connected_int8: ") + name +
                          " must be positive and finite in float32, got " + std::to_string(value));
  return scale;
}

void check_zero_point(const char* name, std::int64_t value) {
  if (value < -128 || value > 127)
    throw py::value_error(std::string("fully_connected_int8: ") + name + " must be from -128 to 127, got " +
                          std::to_string(value));
}

// TFLite takes the product of the scales in float32 for one scale of all weights, in float64 for one of each output.
std::vector<double> real_multipliers(float input_scale, py::handle weight_scale, float output_scale,
                                     py::ssize_t outputs) {
  if (!py::isinstance<py::array>(weight_scale) || py::reinterpret_borrow<py::array>(weight_scale).ndim() == 0) {
    double value = 0;
    try {
      value = weight_scale.cast<double>();
    } catch (const py::cast_error&) {
      throw py::type_error(
          mismatch("fully_connected_int8", "weight_scale", "a number, or float32 with shape (out,)", weight_scale));
    }
    const float product = input_scale * positive_scale("weight_scale", value);
    if (!std::isfinite(product))
      throw py::value_error("fully_connected_int8: input_scale * weight_scale must be finite in float32, got " +
                            short_number(input_scale) + " * " + short_number(value));
    return std::vector<double>(outputs, static_cast<double>(product) / static_cast<double>(output_scale));
  }
  const auto scales = checked_contiguous<float>("fully_connected_int8", "weight_scale", "(out,)", 1, weight_scale);
  if (scales.shape(0) != outputs)
    throw py::value_error(mismatch("fully_connected_int8", "weight_scale",
                                   "a number, or float32 with shape (" + std::to_string(outputs) + ",)", weight_scale));
  std::vector<double> multipliers;
  for (py::ssize_t o = 0; o < outputs; ++o)
    multipliers.push_back(
        static_cast<double>(input_scale) *
        static_cast<double>(positive_scale("weight_scale", static_cast<const float*>(scales.data())[o])) /
        static_cast<double>(output_scale));
  return multipliers;
}

enum class ClampS8 { none, relu, relu6, relu_n1_to_1 };

// The ends of an activation's range as int8, at most the type's own.
std::pair<std::int32_t, std::int32_t> activation_range(ClampS8 clamp, float scale, std::int64_t zero_point) {
  const auto quantised = [&](float value) {
    // A tiny scale must not leave the range of an integer.
    const double steps = std::round(static_cast<double>(value / scale));
    return static_cast<std::int32_t>(std::clamp(steps + static_cast<double>(zero_point), -128.0, 127.0));
  };
  switch (clamp) {
    case ClampS8::none: return {-128, 127};
    case ClampS8::relu: return {quantised(0), 127};
    case ClampS8::relu6: return {quantised(0), quantised(6)};
    case ClampS8::relu_n1_to_1: return {quantised(-1), quantised(1)};
  }
  return {-128, 127};
}

py::array fully_connected_int8(py::handle x, py::handle weights, py::handle bias, std::int64_t input_zero_point,
                               std::int64_t output_zero_point, double input_scale, py::handle weight_scale,
                               double output_scale, const std::string& activation, py::handle out) {
  constexpr const char* op = "fully_connected_int8";
  static Kernel<FullyConnectedS8Fn> kernel{op};
  const FullyConnectedS8Fn run = kernel.get();
  const auto [outputs, inputs] = layer_shape<std::int8_t, std::int32_t>(op, weights, bias);
  const Batch batch = checked_batch<std::int8_t>(op, x, inputs);
  check_zero_point("input_zero_point", input_zero_point);
  check_zero_point("output_zero_point", output_zero_point);
  const float input_step = positive_scale("input_scale", input_scale);
  const float output_step = positive_scale("output_scale", output_scale);
  const ClampS8 clamp = chosen<ClampS8>(op, "activation", activation,
                                        {{"none", ClampS8::none},
                                         {"relu", ClampS8::relu},
                                         {"relu6", ClampS8::relu6},
                                         {"relu_n1_to_1", ClampS8::relu_n1_to_1}});
  std::vector<std::int32_t> multipliers(outputs), shifts(outputs);
  const auto real = real_multipliers(input_step, weight_scale, output_step, outputs);
  for (py::ssize_t o = 0; o < outputs; ++o) quantise_multiplier(real[o], multipliers[o], shifts[o]);
  const auto [lowest, highest] = activation_range(clamp, output_step, output_zero_point);
  const Requantisation requantisation{static_cast<std::int32_t>(input_zero_point),
                                      static_cast<std::int32_t>(output_zero_point),
                                      multipliers.data(),
                                      shifts.data(),
                                      lowest,
                                      highest};
  py::array y = answer<std::int8_t>(op, out, batch, outputs, x);
  const auto* from = static_cast<const std::int8_t*>(py::reinterpret_borrow<py::array>(x).data());
  const auto* matrix = static_cast<const std::int8_t*>(py::reinterpret_borrow<py::array>(weights).data());
  const auto* vector = static_cast<const std::int32_t*>(py::reinterpret_borrow<py::array>(bias).data());
  auto* to = static_cast<std::int8_t*>(y.mutable_data());
  {
    py::gil_scoped_release release;
    run(from, batch.rows, inputs, matrix, vector, outputs, requantisation, to);
  }
  return y;
}

}  // namespace

void bind_dense(py::module_& m) {
  m.def("fully_connected", &fully_connected);
  m.def("fully_connected_int8", &fully_connected_int8);
  py::class_<Mlp>(m, "Mlp")
      .def(py::init<py::handle>(), py::arg("layers"))
      .def("__call__", &Mlp::operator(), py::arg("x"), py::arg("out") = py::none())
      .def_property_readonly("sizes", &Mlp::sizes);
}

}  // namespace edgefer
