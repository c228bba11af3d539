"""The table of pages: the only place that knows their paths. A page is a row here, a folder in
ui/pages and the file pages/<section>/<name>.py that shows it."""

from __future__ import annotations

from dataclasses import dataclass

from vit_explore import cards
from vit_explore.cards import Card


@dataclass(frozen=True)
class Page:
    """A page of the app. name: its folder in ui/pages and its address; section: its place in the navigation."""

    name: str
    section: str
    title: str
    icon: str  # of Material Symbols
    asks: str = ""  # what of cards.QUESTIONS a model has to answer to be shown there; "one or other": one of them
    tells: str = ""  # what it tells of a model, in few words, beside its title on a link
    view: tuple[str, ...] = ()  # fields of its address, beside the model; see session/address.py

    @property
    def path(self) -> str:
        """The file, for `st.Page`, `st.switch_page` and `st.page_link`."""
        return f"pages/{self.section.split()[0].lower()}/{self.name}.py"

    @property
    def label(self) -> str:
        """The icon in Streamlit's notation."""
        return f":material/{self.icon}:"


PAGES = (
    Page("home", "Start", "Home", "home"),
    Page("tour", "Start", "Tour", "signpost", view=("stop",)),
    Page("patches", "Start", "Patches", "grid_on", view=("picture", "image_px", "patch_px", "patch")),
    Page("glossary", "Start", "Glossary", "menu_book"),
    Page("train", "Train", "Train", "play_circle", view=("run", "axis", "show", "present")),
    Page("finetune", "Train", "Fine-tune", "school", view=("group",)),
    Page("runs", "Train", "Runs", "table_rows", view=("axis",)),
    Page(
        "positions",
        "Look inside",
        "Position embeddings",
        "my_location",
        "positions",
        "is there a map?",
        ("patch", "compare"),
    ),
    Page("filters", "Look inside", "Filters", "blur_on", "filters", "what it responds to", ("tab", "compare")),
    Page(
        "trust",
        "Look inside",
        "Which explanation?",
        "balance",
        "grad_cam",
        "which map to believe",
        ("picture", "compare", "over"),
    ),
    Page(
        "film",
        "Look inside",
        "Through time",
        "movie",
        "grad_cam",
        "how it all comes about",
        ("picture",),
    ),
    Page(
        "attention",
        "Look inside",
        "Attention",
        "visibility",
        "attention or semantic_tokens",
        "what it looks at",
        ("picture", "tab", "layer", "head", "patch", "target", "method", "compare"),
    ),
    Page(
        "pair",
        "Compare",
        "Two models, one picture",
        "join_inner",
        view=("picture", "beside", "tab"),
    ),
    Page("versus", "Compare", "ViT vs ResNet", "compare_arrows", view=("one", "other", "axis")),
    Page("reports", "Compare", "Paper & reports", "menu_book", view=("report", "tab")),
    Page("labs", "Labs", "Guess, then run", "science", view=("lab", "compare", "marks")),
    Page("rearrange", "Labs", "Rearrange it", "extension", view=("picture", "compare")),
    Page("scaling", "Labs", "Scaling labs", "stacked_line_chart", view=("sweep", "axis")),
    Page("why", "Labs", "Why 14.81 %?", "troubleshoot", view=("guess",)),
)
HOME = PAGES[0]
IN_LESSON = (Page("room", "Lesson", "Class", "groups"),)  # only where the app serves one


def page(name: str) -> Page:
    """The page of that name."""
    return {row.name: row for row in (*PAGES, *IN_LESSON)}[name]


def path(name: str) -> str:
    """The file of the page of that name."""
    return page(name).path


def offered(card: Card) -> list[Page]:
    """The pages that look inside a model of this kind, the one that shows most first."""
    return [row for row in reversed(PAGES) if any(cards.offered(question, card) for question in row.asks.split(" or "))]


def sections(in_lesson: bool = False) -> dict[str, list[Page]]:
    """The pages by section, in the order of the navigation; those of a lesson first."""
    found: dict[str, list[Page]] = {}
    for row in (*(IN_LESSON if in_lesson else ()), *PAGES):
        found.setdefault(row.section, []).append(row)
    return found
