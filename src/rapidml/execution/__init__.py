"""Running, watching and comparing: the only users of workers and store together."""
