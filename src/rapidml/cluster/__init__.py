"""Dask workers: the only part that makes a Client. Knows nothing of recipes, models or stores."""
