"""Scores, their uncertainties and comparison: arrays in, plain numbers and tables out. No files, no Dask, no models."""
