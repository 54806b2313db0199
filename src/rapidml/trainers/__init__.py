"""How one fit uses several workers; the Dask client is handed in."""
