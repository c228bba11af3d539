"""The parts of the page: the row of maps, the curves, the ranking, the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from vit_explore import plots
from vit_explore.trust.results import Ranking, Score
from vit_explore.ui.kit.chart import chart

TILE = 156  # pixels of a map on the page
PRECISION = {
    "fp32": "The passes behind the curves ran in fp32.",
    "bf16": "The passes behind the curves ran in bf16, at which this device is faster.",
}
SHOWN = 5  # methods whose curves are drawn at first, besides chance


def maps(ranking: Ranking, picture: np.ndarray, title: str | None) -> None:
    """The maps in a row, the best on this picture first, each with its two areas."""
    if title:
        st.markdown(f"##### {title}")
    with st.container(horizontal=True, gap="small", key=f"trust_maps_{title or 'one'}"):
        for score in sorted(ranking.scores, key=lambda score: -score.apart):
            pixels = plots.trust_map(score.first, picture, TILE)
            words = f"{score.title}  \ndel. {score.deletion[0]:.2f} · ins. {score.insertion[0]:.2f}"
            st.image(pixels, caption=words, width=TILE, alt=f"The map of {score.title} over the picture")


def curves(ranking: Ranking, title: str | None, key: str) -> None:
    """Deletion and insertion in one figure, of the methods that the person picks."""
    real = [score for score in ranking.scores if not score.is_chance]
    names = {score.method: score.title for score in real}
    shown = st.pills(
        f"Curves of {title}" if title else "Curves", list(names), selection_mode="multi",
        default=list(names)[:SHOWN], format_func=names.__getitem__, key=f"trust_curves_{key}_{title}",
    )  # fmt: skip
    chart(plots.trust_curves(ranking, shown), f"trust_curves_chart_{key}_{title}")


def ranking(rankings: list[tuple[str, Ranking]]) -> None:
    """How much better than chance, with intervals."""
    chart(plots.trust_ranking(rankings), "trust_ranking")
    st.caption(
        "How much further apart the two areas lie than those of a random map as fine, with the 95 % interval over the "
        "images. Left of the line: worse than chance. Green is clearly better, orange clearly worse."
    )


def table(ranking: Ranking, title: str | None) -> None:
    """The numbers, with the sanity check, and the object where its place is known."""
    rows = pd.DataFrame([_row(score, ranking) for score in ranking.scores])
    if title:
        st.markdown(f"##### {title}")
    st.dataframe(rows, hide_index=True, width="stretch", key=f"trust_table_{title}", height="content")
    st.caption(
        f"Like shuffled: rank correlation with the map of the same model with shuffled weights, over "
        f"{ranking.sanity_images} images (Adebayo et al. 2018): near 1, the method does not look at what was learned. "
        f"{PRECISION[ranking.precision]}"
    )
    if ranking.object_share is not None:
        st.caption(
            f"On the object: share of the map's mass within the drawn shape, which covers "
            f"{100 * ranking.object_share:.0f} % of the picture. Pointing game: how often the hottest place lies there."
        )


def _row(score: Score, ranking: Ranking) -> dict[str, object]:
    low, high = score.interval
    row: dict[str, object] = {
        "method": score.title,
        "deletion ↓": round(float(score.deletion.mean()), 3),
        "insertion ↑": round(float(score.insertion.mean()), 3),
        "better than chance by": "—" if score.is_chance else f"{score.gain:+.3f}",
        "95 %": "—" if score.is_chance else f"{low:+.3f} to {high:+.3f}",
        "like shuffled": "—" if np.isnan(score.likeness).all() else f"{np.nanmean(score.likeness):+.2f}",
    }
    if score.on_object is not None and score.pointing is not None:
        row["on the object"] = f"{100 * score.on_object.mean():.0f} %"
        row["pointing game"] = f"{100 * score.pointing.mean():.0f} %"
    return row | {"ms an image": round(1000 * score.seconds, 1)}
