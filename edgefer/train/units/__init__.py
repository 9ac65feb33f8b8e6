"""Networks that read action units: one for devices, learnt from made faces and a teacher; and the paper's heads."""
