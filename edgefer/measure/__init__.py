"""How good a model is: data sets, accuracy and the statistics behind it."""
