// Dense layers for C.
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "c/checks.h"

using namespace edgefer;
using namespace edgefer::c;

struct edgefer_mlp {
  struct Layer {
    std::ptrdiff_t inputs, outputs;
    Activation activation;
    std::vector<float> packed, bias;
  };
  std::vector<Layer> layers;
  std::ptrdiff_t widest_hidden = 0;
};

namespace {

FullyConnectedFn* fully_connected_kernel() {
  static std::atomic<FullyConnectedFn*> active{nullptr};
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

void run_layer(FullyConnectedFn* kernel, const edgefer_mlp::Layer& layer, const float* x, std::ptrdiff_t batch,
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

edgefer_status edgefer_fully_connected(const float* x, ptrdiff_t batch, ptrdiff_t inputs, const float* weights,
                                       const float* bias, ptrdiff_t outputs, edgefer_activation activation, float* y) {
  constexpr const char* op = "fully_connected";
  return guarded(op, [&] {
    FullyConnectedFn* const run = fully_connected_kernel();
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
    FullyConnectedFn* const run = fully_connected_kernel();
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
    static std::atomic<FullyConnectedS8Fn*> active{nullptr};
    FullyConnectedS8Fn* const run = chosen(op, active);
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
