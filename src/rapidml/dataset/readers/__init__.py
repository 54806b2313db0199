"""Readers of data files, one format a file; ``registry`` finds the one for a file."""
