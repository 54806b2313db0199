"""One edited parameter of one of three models, on the ATLAS Higgs challenge sample, against running all again.

``$HIGGS_CSV`` names the file (CERN Open Data record 328, or its first rows); without it the bench says so and ends.
Three models: two of boosted trees and a logistic regression, 5 folds + 1 each. In every round, in turn:

- all: the edited recipe in an empty store, which reads the file and makes 18 fits;
- edit: the edited recipe in a store that holds the recipe before the edit, which makes 6 fits and reads nothing;
- unchanged: the same command once more, which computes nothing.

An edit is to cost less than running all again, an unchanged run at most a tenth of it. The peer is rapidml itself
without its store: the same file, split, fits, predictions and scores, and the bench makes sure that the scores of both
are the same to the last digit.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from measure import load_result, make_parser, measure, open_scratch, rapidml, ratio, report, run_once, seconds_of

LIMIT_EDIT = 1.0
LIMIT_UNCHANGED = 0.1

RECIPE = """\
name: higgs
dataset:
  path: ${HIGGS_CSV}
  target: Label
  positive: s
  weight: Weight
  id: EventId
  missing: -999
  features:
    exclude: [Weight, KaggleWeight, KaggleSet]
models:
  deep:
    type: xgboost
    params: {n_estimators: 100, max_depth: 6}
  shallow:
    type: xgboost
    params: {n_estimators: 100, max_depth: 3}
  logistic:
    type: sklearn.linear_model.LogisticRegression
    prepare:
      - impute: median
      - standardize
    params: {max_iter: 1000}
"""
EDIT = "models.shallow.params.max_depth=4"


def scores(store: Path) -> dict[str, Any]:
    """All scores of the newest run, without what may differ."""
    return {
        name: [entry[group] for group in ("selection", "train", "test")]
        for name, entry in load_result(store)["models"].items()
    }


def main() -> int:
    """Print the times; exit code 1 if a target was missed."""
    options = make_parser(__doc__, repeat=3).parse_args()
    if not os.environ.get("HIGGS_CSV"):
        print("skipped: set HIGGS_CSV to the ATLAS Higgs challenge file (CERN Open Data record 328)")
        return 0
    os.environ["HIGGS_CSV"] = str(Path(os.environ["HIGGS_CSV"]).resolve())
    with open_scratch() as folder:
        (folder / "higgs.yaml").write_text(RECIPE)
        before, fresh, edited = folder / "before", folder / "fresh", folder / "edited"

        def restore(target: Path, source: Path | None) -> None:
            if target.exists():
                shutil.rmtree(target)
            if source is not None:
                shutil.copytree(source, target, symlinks=True)

        run_once(rapidml("before", folder, "run", "higgs.yaml", "--store", str(before)))
        command = ("run", "higgs.yaml", EDIT)
        everything = rapidml("all", folder, *command, "--store", str(fresh), before=lambda: restore(fresh, None))
        edit = rapidml("edit", folder, *command, "--store", str(edited), before=lambda: restore(edited, before))
        unchanged = rapidml("unchanged", folder, *command, "--store", str(edited))
        found = measure([everything, edit, unchanged], options.repeat)
        if scores(fresh) != scores(edited):
            raise RuntimeError("the edited run and the run of everything have different scores")
    times = {name: seconds_of(runs) for name, runs in found.items()}
    figures = [
        ratio("one edited model of three, against all again", times["edit"], times["all"], LIMIT_EDIT),
        ratio("unchanged run, against all again", times["unchanged"], times["all"], LIMIT_UNCHANGED),
    ]
    return report(times, figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
