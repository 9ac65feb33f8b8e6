"""From a finished run to a model directory: full int8 TFLite, manifest, self-test vectors, model card.

The weights may come from any Keras backend; the conversion runs on TensorFlow. Every figure written about the
model is measured here, on the bytes that ship, or read from the run's records. A model that loses more
accuracy, or agrees less with its network in Keras, than quantise.PRECISIONS permits is not written.
"""
