"""The search of Haddad et al. for the options of a 3D-CNN: Table 1 as a space of Optuna's, trials by many processes."""
