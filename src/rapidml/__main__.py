"""``python -m rapidml``."""

from rapidml.cli import main

main()
