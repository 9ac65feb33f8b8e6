"""What Haddad, Lézoray and Hamel print (ISVC 2020): Tables 4 to 8 and section 4, accuracies in percent."""

from __future__ import annotations

#: Name of an architecture in Tables 4 and 5 to its preset and the set that it is trained on before, if any.
ARCHITECTURES: dict[str, tuple[str, str]] = {
    "c1": ("ckplus", ""),
    "c2": ("oulu-casia", ""),
    "c3": ("oulu-casia", "oulu-casia"),
    "c4": ("ckplus", "ckplus"),
}

#: Accuracies of ten folds, average, p against the first. The average of c2 is 84.25 in Table 5 and 84.17 in the text.
TABLE_4 = {
    "c1": ((100.0,) * 10, 100.0, None),
    "c2": ((93.9, 100.0, 84.8, 78.7, 87.8, 93.9, 93.9, 96.8, 87.5, 90.0), 90.76, 0.00057),
    "c3": ((96.8, 96.8, 84.8, 93.9, 87.8, 93.9, 78.7, 96.8, 87.5, 93.9), 91.14, 0.00067),
}
TABLE_5 = {
    "c2": ((97.5, 97.5, 80.0, 82.5, 82.5, 80.0, 72.5, 97.5, 75.0, 77.5), 84.25, None),
    "c1": ((81.2, 81.2, 70.8, 75.0, 72.9, 72.9, 83.3, 72.9, 72.9, 87.5), 77.08, 0.03650),
    "c4": ((85.0, 97.5, 75.0, 82.5, 77.5, 70.0, 65.0, 97.5, 75.0, 72.5), 79.75, 0.00597),
}

OURS = "Our approach"
TABLE_6 = {"CNN (AlexNet)": 94.4, "DAE (DSAE)": 95.79, OURS: 97.56}
TABLE_7 = {"LBP/Gabor + SRC": 98.09, "DBN + MLP": 98.57, "CNN": 98.62, "FAN": 99.69, OURS: 100.0}
TABLE_8 = {"FLT": 74.17, "C3D": 74.38, "FLT+C3D": 81.49, OURS: 84.17, "STC": 84.72, "LSTM (STC-NLSTM)": 93.45}

#: Fig. 2: a trial goes on while its LOSO accuracy may still reach this; "more than 800" configurations, "after 600
#: trials, the TPE starts converging"; the best of them.
PRUNED_BELOW, TRIALS, CONVERGES, BEST = 96.5, 800, 600, 97.56
