"""Eighteen feature points of a face and the distances between them: by the classic chain, or from 68 landmarks."""
