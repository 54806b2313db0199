"""Search: the candidates that the ranges of a model allow, and which to try next. No fits, no files, no Dask."""
