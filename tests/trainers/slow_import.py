"""A module that takes as long to import as TensorFlow on a slow disk."""

import time

time.sleep(600)
