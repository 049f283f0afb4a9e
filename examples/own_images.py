"""How far can my images be compressed? From images to an answer with evidence, in a few lines.

    python examples/own_images.py [FOLDER [WORKSPACE]]

FOLDER holds a folder for each class; by default the photographs are taken that scikit-image and scikit-learn
bring. What this prints is in own_images.txt.
"""

import sys

import agbench


def main(images: str = "patches", workspace: str = "example") -> None:
    """Answer it for a folder, or a data set's name."""
    # Downloads where needed, checks every image, splits: the same for every trial.
    dataset = agbench.load_dataset(images, workspace=workspace)
    print(f"{dataset.name}: {len(dataset.index)} images of {len(dataset.classes)} classes")

    # A few trials, as a table. Those that have been run are not run again.
    trials = agbench.run(dataset, models="tabular:dct", levels=[1.0, 0.3], quick=True)
    print(trials[["model", "level", "bytes", "accuracy"]].to_string(index=False))

    # The smallest level that is shown to lose less than five points.
    answer = agbench.recommend(dataset, margin=0.05, image_size=64)
    for test in answer.tests:
        loss = test.comparison.difference
        print(
            f"{test.preprocessing}: {loss.value:+.4f} ({loss.low:+.4f} to {loss.high:+.4f}), safe: {test.is_safe}"
        )
    if answer.chosen is None:
        print("no level is shown to be safe")
    else:
        print(f"safe: {answer.chosen.preprocessing}, which saves {answer.chosen.saved:.1%} of the bytes")

    # All trials stand in the report, and in one table.
    print(agbench.report(dataset, formats="md"))
    print(f"{len(agbench.results(workspace=workspace))} trials are stored")


# Images are decoded in processes of their own, which import this file.
if __name__ == "__main__":
    main(*sys.argv[1:])
