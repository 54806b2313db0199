"""The first minute: ``rapidml run --example quickstart`` from nothing, against a bare script that does the same fits.

Cold means a fresh process, an empty folder and no store; bytecode is cached. Measured from the start of the process:
the first line that it prints (target 0.5 s), the first score (the first ``evaluate`` step in the run's event file;
target 6 s on two cores), the end. The peer (``peer.py``) makes the same 18 fits (logistic regression, boosted trees and
random forest, 5 folds + 1 each) on the same rows and the same scores with 200 bootstrap replicas; it stores nothing.
"""

from __future__ import annotations

import sys

from measure import (
    Command,
    Figure,
    Finished,
    bare,
    count_cores,
    empty,
    export_split,
    largest_difference,
    load_result,
    make_parser,
    measure,
    open_scratch,
    rapidml,
    ratio,
    report,
    run_once,
    seconds_of,
)

from rapidml.store import open_store, read_events

FIRST_LINE = 0.5
FIRST_SCORE = 6.0
TOLERANCE = 0.05
"""Forests are grown from other seeds, so the scores are near, not equal; those of the other models are equal."""

MODELS = {
    "logistic": {"type": "sklearn.linear_model.LogisticRegression", "params": {}, "standardize": True},
    "bdt": {"type": "xgboost", "params": {"n_estimators": 100, "max_depth": 6}},
    "forest": {"type": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 100}},
}


def main() -> int:
    """Print the times; exit code 1 if one is over its target."""
    options = make_parser(__doc__, repeat=5).parse_args()
    first_scores: list[float] = []
    with open_scratch() as scratch:
        folder = scratch / "empty"
        store = folder / "rapidml-store"

        def start_afresh() -> None:
            empty(folder)()
            folder.mkdir()

        def find_first_score(command: Command, finished: Finished) -> None:
            if command.name != "rapidml":
                return
            with open_store(store) as opened:
                events = read_events(opened.runs.folder(opened.find_run("@last")))
            scored = [
                event.time
                for event in events
                if event.kind == "step_finished" and event.step == "evaluate" and event.name in MODELS
            ]
            first_scores.append(min(scored) - finished.began)

        ours = rapidml("rapidml", folder, "run", "--example", "quickstart", before=start_afresh)
        run_once(ours)
        export_split(folder / "quickstart.yaml", store, scratch / "split.npy")
        result = load_result(store)
        job = {
            "builtin": "breast_cancer",
            "classes": result["task"]["classes"],
            "metrics": result["metrics"],
            "models": MODELS,
            "split": str(scratch / "split.npy"),
            "workers": count_cores(),
        }
        peer = bare("bare script", scratch, job)
        found = measure([ours, peer], options.repeat, find_first_score)
    difference = largest_difference(result, found[peer.name][-1])
    if difference > TOLERANCE:
        raise RuntimeError(
            f"the scores of rapidml and of the peer differ by {difference}: they did not do the same work"
        )
    first_lines = [run.lines[0][0] for run in found[ours.name]]
    peer_scores = [run.find_line("score") for run in found[peer.name]]
    times = {
        "rapidml, first line": first_lines,
        "rapidml, first score": first_scores,
        "rapidml, end": seconds_of(found[ours.name]),
        "bare script, first score": peer_scores,
        "bare script, end": seconds_of(found[peer.name]),
    }
    figures = [
        Figure("first line", tuple(first_lines), "s", FIRST_LINE),
        Figure("first score", tuple(first_scores), "s", FIRST_SCORE),
        ratio("first score, against the bare script", first_scores, peer_scores),
        ratio("end, against the bare script", times["rapidml, end"], times["bare script, end"]),
        Figure("largest difference of a score from the bare script", (difference,), "", TOLERANCE),
    ]
    return report(times, figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
