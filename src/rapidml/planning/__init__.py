"""From a recipe, the data's profile and known facts to steps with keys and reasons. Computes nothing on rows."""
