"""The paper's own tables, as figures with their source."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.reports import paper
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.session import address

TITLES = {
    "cost": "Table 2: accuracy and cost",
    "data": "Figure 3: how much data",
    "compute": "Figure 5: how much compute",
    "tasks": "Table 9: 19 small tasks",
}
_MEAN = "mean of the six"


def draw() -> None:
    """Four tabs; each says which table it is drawn from."""
    st.subheader("The paper's own figures, to look into", anchor="paper")
    shown = address.one_of("tab", TITLES, "cost")
    names = {title: name for name, title in TITLES.items()}
    tabs = st.tabs(list(names), **address.widget("tab", "reports_tab", TITLES[shown], names))
    views = {"cost": _cost, "data": _data, "compute": _compute, "tasks": _tasks}
    with tabs[list(TITLES).index(shown)]:
        views[shown]()


def _cost() -> None:
    on = _benchmark("Benchmark", paper.BENCHMARKS, "cost")
    place = paper.BENCHMARKS.index(on)
    chart(plots.paper_benchmarks(paper.BENCHMARKS, paper.TABLE_2, place), f"paper_cost_{place}")
    st.markdown(
        "**Up and to the left is better.** ViT-L/16 has BiT-L's accuracy for a fourteenth of its pre-training; with "
        "public images alone (I21k) it costs a third of that, and falls behind on ImageNet and VTAB."
    )
    st.caption(
        f"{paper.PAPER}, Table 2: means and standard deviations (bars) of three fine-tuning runs. Noisy Student: the "
        "table gives 88.4 and, from another paper, 88.5 % on ImageNet; it has no other figures."
    )


def _data() -> None:
    on = _benchmark("Fine-tuned on", paper.TRANSFER, "data", first="ImageNet")
    place = paper.TRANSFER.index(on)
    models = {
        name: [None if values is None else values[place] for values in tables] for name, tables in paper.TABLE_5.items()
    }
    chart(plots.paper_data(paper.PRE_TRAINED_ON, paper.IMAGES, models, on), f"paper_data_{place}")
    st.markdown(
        "**Larger is not better where data are few.** On ImageNet, ViT-L/16 loses to ViT-B/16 after 1.3 million images "
        "and wins after 14 million. Down here, with 40,000 images, we are far to the left of the figure."
    )
    st.caption(
        f"{paper.PAPER}, Table 5, which belongs to Figure 3; fine-tuned at 384 pixels. ViT-H/14 was not pre-trained on "
        "ImageNet. Figure 4 (subsets of JFT-300M) is a picture without printed numbers, so it is not here."
    )


def _compute() -> None:
    on = _benchmark("Fine-tuned on", (_MEAN, *paper.SCALING), "compute")
    place = None if on == _MEAN else paper.SCALING.index(on)
    chart(plots.paper_compute(paper.SCALING, paper.TABLE_6, place), f"paper_compute_{place}")
    st.markdown(
        "**For the same compute ViTs are ahead of ResNets, and hybrids are ahead of both while compute is small.** The "
        "pre-training saw 303 million images; with few, the order is another one, as Figure 3 shows."
    )
    st.caption(
        f"{paper.PAPER}, Table 6, which belongs to Figure 5: pre-trained on JFT-300M. The mean is ours, of the six "
        "benchmarks that the table prints; the paper's figure has one of five."
    )


def _tasks() -> None:
    chart(plots.paper_vtab(paper.GROUPS, paper.TABLE_9), "paper_vtab")
    st.markdown(
        "**1,000 images for each task.** What JFT-300M adds to ViT-L/16 shows most in counting (Clevr-Count, + 16); "
        "the angles of rendered objects (sNORB) stay hard for all three."
    )
    means = ", ".join(f"{name} {value} %" for name, value in paper.MEANS.items())
    st.caption(f"{paper.PAPER}, Table 9. Means as printed: {means}.")


def _benchmark(label: str, options: tuple[str, ...], key: str, first: str | None = None) -> str:
    chosen = st.segmented_control(
        label, options, default=first or options[0], required=True, key=f"reports_{key}", persist_state="session"
    )
    return chosen or first or options[0]
