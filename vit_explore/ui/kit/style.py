"""What Streamlit's options cannot say: larger letters for what must be read, and pressed, from the back row; how faint
letters may be; where the keyboard is; and what gives way where there is little room."""

from __future__ import annotations

import streamlit as st

CAPTION = 0.8  # opacity of captions; Streamlit's 0.6 has a contrast of 4.2
BUTTON = "#0072B2"  # below white letters, on a light and on a dark page
FOCUS = "#2A8FC9"  # around what the keyboard is at; on a light and on a dark page
FAINT = "rgb(128, 132, 149)"  # Streamlit's grey of the letters in charts on a light page, of a contrast of 3.7

_EVERYWHERE = f"""<style>
[data-testid="stCaptionContainer"] {{ opacity: {CAPTION}; }}
button[kind="primary"]:enabled, button[kind="primaryFormSubmit"]:enabled {{ background-color: {BUTTON}; }}
button[kind="primary"]:enabled:hover, [class*="st-key-link_primary"] a:hover {{ filter: brightness(0.9); }}
[data-testid="stMultiSelectTagsContainer"] [data-tag-index] {{ background-color: {BUTTON} !important; }}
.js-plotly-plot text[style*="fill: {FAINT}"] {{ fill: currentColor !important; }}
a:focus-visible, button:focus-visible, summary:focus-visible, [role="tab"]:focus-visible,
[data-testid="stSidebarNavLink"]:focus-visible {{ outline: 3px solid {FOCUS}; outline-offset: 2px; }}
.js-plotly-plot .modebar-container {{ display: none; }}
.katex-display {{ padding: 0 0.25rem; }}
[class*="st-key-link_"] a {{
  border: 1px solid rgba(128, 132, 142, 0.4); border-radius: 0.6rem; padding: 0.45rem 0.8rem;
}}
[class*="st-key-link_primary"] a {{ background-color: {BUTTON}; border-color: {BUTTON}; }}
[class*="st-key-link_primary"] a * {{ color: #FFFFFF !important; }}
[data-testid="stSidebar"] input {{ text-overflow: ellipsis; }}
@media (min-width: 641px) and (max-width: 1500px) {{
  [data-testid="stMainBlockContainer"] {{ padding-left: 2.5rem; padding-right: 2.5rem; }}
}}
@media (min-width: 641px) and (max-height: 800px) {{
  [data-testid="stMainBlockContainer"] {{ padding-top: 1.5rem; }}
  h1 {{ padding: 0.5rem 0 !important; }}
}}
@media (max-width: 640px) {{
  [data-testid="stMainBlockContainer"] {{ padding-top: 3.5rem; }}
  .katex-display {{ font-size: 0.88em; }}
  h1 {{ font-size: 1.9rem !important; padding: 0.25rem 0 !important; }}
  .st-key-train_start_box > [data-testid="stLayoutWrapper"]:first-child > [data-testid="stHorizontalBlock"] {{
    flex-direction: column-reverse; gap: 1rem;
  }}
  .st-key-train_start_box > [data-testid="stLayoutWrapper"]:first-child > [data-testid="stHorizontalBlock"] > * {{
    flex: none; width: 100%;
  }}
  [data-testid="stLayoutWrapper"]:has(> .st-key-home_figure), .st-key-home_figure {{
    flex: none; height: 58vw;
  }}
}}
</style>"""
_LARGE = """<style>
.st-key-train_start button, .st-key-race_start button { min-height: 4rem; }
.st-key-train_start button p, .st-key-race_start button p { font-size: 1.35rem; font-weight: 650; }
.st-key-train_start_box [data-testid="stMetricValue"] { font-size: 1.5rem; font-weight: 600; }
.st-key-race_stands { min-height: 6.5rem; }
</style>"""


def style() -> None:
    """Put the style of the pages that train into the page; the text is fixed, nothing that a person typed is in it."""
    st.html(_LARGE)


def style_everywhere() -> None:
    """The style of every page; fixed text, too."""
    st.html(_EVERYWHERE)
