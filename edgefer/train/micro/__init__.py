"""Micro-expressions: films of them, the network that spots them, and the figures.

`films` has faces make small movements, `material` turns films into fields of motion once, `network` learns from those,
`bar` measures whole runs. `casme` is the paper's own form: its CNN on five frames of a sequence, then an LSTM. What is
learnt or measured on made faces is *synthetic*.
"""
