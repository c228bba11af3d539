"""Progress bars on stderr for the command line."""

from __future__ import annotations

import sys

from tqdm import tqdm

from vit_explore.training.events import Evaluated, Event, Step

FORMAT = "{desc}{percentage:3.0f} %|{bar}| {elapsed}{postfix}"


class Bar:
    """A bar from 0 to 1 with a few words; says nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm | None = None  # drawn with the first news: a mistake before it stands alone

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    def show(self, share: float, words: str) -> None:
        """Move to `share` in [0, 1]."""
        if self._bar is None:
            self._bar = self._drawn(share, words)
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update(min(1.0, share) - self._bar.n)

    def _drawn(self, share: float, words: str) -> tqdm:
        every = 0.2 if sys.stderr.isatty() else 5.0  # a log file needs no twenty lines a second
        return tqdm(
            total=1.0,
            initial=share,
            postfix=words,
            bar_format=FORMAT,
            disable=self._quiet,
            mininterval=every,
            miniters=0,  # by time alone: tqdm's own guess would freeze the bar after a resumed run's first leap
            file=sys.stderr,
            leave=False,
        )


class Progress:
    """Listens to a run's events."""

    def __init__(self, quiet: bool) -> None:
        self._bar, self._top1 = Bar(quiet), ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Evaluated) and event.split == "val":
            self._top1 = f", val top-1 {100 * event.top1:.1f} %"
        elif isinstance(event, Step):
            share = event.elapsed / max(event.elapsed + event.remaining, 1e-9)
            words = f"loss {event.loss:.3f}{self._top1}, {event.images_per_second:,.0f} images/s"
            self._bar.show(share, words)
