"""Reproducibility benchmark suite for the DeepLab papers (v2, v3, v3+)."""

__version__ = "0.1.0"
