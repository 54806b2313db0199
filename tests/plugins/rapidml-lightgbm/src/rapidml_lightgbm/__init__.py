"""LightGBM for rapidml. Installing this distribution makes ``type: lightgbm`` a model of recipes."""
