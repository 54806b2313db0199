"""Models: one adapter a library, the registry that finds them, and the fit of one model as a whole."""
