"""Make the bundled lists of parameters from the installed libraries: ``python -m rapidml.models.make_lists``.

For maintainers, after a new release of a library; a test compares the bundled lists with what this makes.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rapidml.models import make_keras_list, make_scikit_learn_list, make_xgboost_list

FOLDER = Path(__file__).parent / "lists"


def make_lists() -> dict[str, dict[str, Any]]:
    """The content of every bundled list by file name without suffix."""
    return {
        "keras": {"made_from": f"keras {version('keras')}", **make_keras_list.make_content()},
        "xgboost": {
            "made_from": f"xgboost {_version('xgboost', 'xgboost-cpu')}",
            "parameters": make_xgboost_list.make_parameters(),
        },
        "scikit_learn": {
            "made_from": f"scikit-learn {version('scikit-learn')}",
            "classes": make_scikit_learn_list.make_classes(),
        },
    }


def _version(*distributions: str) -> str:
    import xgboost

    return str(xgboost.__version__) if "xgboost" in distributions else version(distributions[0])


def main() -> None:
    """Write the lists."""
    for name, content in make_lists().items():
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
