// Dense layers for C.
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "c/checks.h"

using namespace edgefer;
using namespace edgefer::c;

struct edgefer_mlp {
  std::vector<DenseLayer> layers;
  std::ptrdiff_t widest_hidden = 0;
};

namespace {

FullyConnectedFn* fully_connected_kernel() {
  static std::atomic<FullyConnectedFn*> active{nullptr};
  return chosen("fully_connected", active);
}

DenseLayer checked_layer(const char* op, const edgefer_layer& layer) {
  constexpr Activation activations[] = {Activation::none, Activation::sigmoid, Activation::relu, Activation::softmax};
  check_size(op, "inputs", layer.inputs);
  check_size(op, "outputs", layer.outputs);
  array(op, "weights", layer.weights, layer.outputs, layer.inputs);
  array(op, "bias", layer.bias, 1, layer.outputs);
  check_one_of(op, "activation", layer.activation, 4);
  return {layer.weights, layer.bias, layer.inputs, layer.outputs, activations[layer.activation]};
}

void check_scale(const char* name, float scale) {
  if (!(scale > 0) || !std::isfinite(scale))
    refuse("fully_connected_int8: %s must be positive and finite, got %g", name, static_cast<double>(scale));
}

void check_zero_point(const char* name, std::int32_t zero_point) {
  if (zero_point < -128 || zero_point > 127)
    refuse("fully_connected_int8: %s must be from -128 to 127, got %d", name, static_cast<int>(zero_point));
}

}  // namespace

edgefer_status edgefer_fully_connected(const float* x, ptrdiff_t batch, ptrdiff_t inputs, const float* weights,
                                       const float* bias, ptrdiff_t outputs, edgefer_activation activation, float* y) {
  constexpr const char* op = "fully_connected";
  return guarded(op, [&] {
    FullyConnectedFn* const run = fully_connected_kernel();
    check_size(op, "batch", batch);
    const auto layer = checked_layer(op, {weights, bias, inputs, outputs, activation});
    check_apart(op, array(op, "x", x, batch, inputs), array(op, "y", y, batch, outputs));
    layer.run(run, x, batch, y);
  });
}

edgefer_status edgefer_mlp_create(const edgefer_layer* layers, ptrdiff_t layer_count, edgefer_mlp** mlp) {
  constexpr const char* op = "mlp_create";
  return guarded(op, [&] {
    check_pointer(op, "mlp", mlp);
    *mlp = nullptr;
    check_size(op, "layer_count", layer_count);
    check_pointer(op, "layers", layers);
    auto network = std::make_unique<edgefer_mlp>();
    for (std::ptrdiff_t i = 0; i < layer_count; ++i) {
      if (i > 0) {
        const std::ptrdiff_t before = network->layers.back().outputs;
        if (layers[i].inputs != before)
          refuse("%s: layer %td must take the %td outputs of the layer before it, got %td inputs", op, i, before,
                 layers[i].inputs);
        network->widest_hidden = std::max(network->widest_hidden, before);
      }
      network->layers.push_back(checked_layer(op, layers[i]));
    }
    *mlp = network.release();
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
      layers[i].run(run, x, batch, to);
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
    check_scale("input_scale", q.input_scale);
    check_scale("output_scale", q.output_scale);
    if (q.weight_scale_count != 1 && q.weight_scale_count != outputs)
      refuse("%s: weight_scale_count must be 1 or %td, got %td", op, outputs, q.weight_scale_count);
    array(op, "weight_scales", q.weight_scales, 1, q.weight_scale_count);
    for (std::ptrdiff_t i = 0; i < q.weight_scale_count; ++i) check_scale("a weight scale", q.weight_scales[i]);
    if (q.weight_scale_count == 1) check_scale("input_scale * weight_scale", q.input_scale * q.weight_scales[0]);
    check_one_of(op, "clamp", q.clamp, 4);
    constexpr ClampS8 clamps[] = {ClampS8::none, ClampS8::relu, ClampS8::relu6, ClampS8::relu_n1_to_1};
    const Rescaling rescaling({q.input_zero_point, q.output_zero_point, q.input_scale, q.output_scale, q.weight_scales,
                               q.weight_scale_count == 1, clamps[q.clamp]},
                              outputs);
    run(x, batch, inputs, weights, bias, outputs, rescaling.requantisation(), y);
  });
}
