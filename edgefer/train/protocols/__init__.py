"""Cross-validation by person over sets of sequences, as Haddad et al. do it, and their tables."""
