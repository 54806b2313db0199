"""The page of a training as a file for Panel's server. `rapidml dashboard` serves it, with a token and for its stores.

Served by anything else it shows only how to start it.
"""

from rapidml.dashboard.entry import open_training

open_training()
