"""Measurements, side by side with what they are held against."""
