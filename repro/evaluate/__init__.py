"""Measuring: inference strategies, confusion matrices."""
