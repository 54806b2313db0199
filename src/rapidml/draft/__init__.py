"""A first recipe from data files: what `rapidml init` writes. Guesses are made here only, each is said in a comment."""
