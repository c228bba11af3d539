"""What stands at the end of the page Class."""

from __future__ import annotations

from vit_explore.ui.kit.panel import Note


def lesson() -> Note:
    """The queue, and what a comparison of a class's runs is worth."""
    return Note(
        title="A class and one machine",
        what_you_see=(
            "The runs of this lesson, those of one budget side by side, and what the class said of a run before it "
            "ended."
        ),
        formula=r"\text{next} = \arg\min_{\text{student}}\ t_{\text{served last}}",
        what_to_look_for=(
            "Who got further in the same time, and with how many parameters and FLOPs? Is the middle of the class's "
            "guesses better than most guesses?"
        ),
        what_to_beware=(
            "Students take turns: with many in the queue a run trains in slices of 30 seconds, which changes how long "
            "it takes and not what it learns. Runs of one seed differ by a point or two by chance: the best of thirty "
            "was lucky, too."
        ),
        source="Galton 1907, Vox populi (the middle of many guesses)",
    )
