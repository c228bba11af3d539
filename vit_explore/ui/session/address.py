"""The address of a view: what the URL says of it. Read and written here, and nowhere else.

What a person chooses is one entry of the browser's history. What a page settles without being asked (the newest model)
completes the entry that is there: `query` is what the URL should say, and the browser's part puts it there. Model,
snapshot, picture and runs follow the person from page to page; a tab, a patch, a layer stay with their page.

Streamlit's `bind=` would tie a widget to the URL, too, but it overwrites the entry of the history, and it writes the
URL twice when a page is left, so that Back does not find the view again (Streamlit 1.67).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from streamlit.runtime.state import SafeSessionState

from vit_explore.ui import site

_NOW, _FOLLOWS, _PAGE = "address", "address_follows", "address_page"
_SAYS, _CAME, _AGAIN = "address_says", "address_came", "address_again"
NO_RUN = "new"  # in place of a run: the form of a new one
_LONGEST = 200  # characters of a value


@dataclass(frozen=True)
class Field:
    """A part of the address. parse: its value, ValueError for what is none; said: how a bad value is called."""

    parse: Callable[[str], Any]
    said: str
    write: Callable[[Any], str] = str
    follows: bool = False  # from page to page


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(text)
    return int(text)


def _place(text: str) -> int:
    """Places are counted from 1 in the URL, as on the page, and from 0 in Python."""
    if _number(text) == 0:
        raise ValueError(text)
    return _number(text) - 1


def _beside(text: str) -> str:
    """What stands beside the chosen model: nothing, step 0 (on), the first bundled model, or what it began from."""
    if text not in ("off", "on", "bundled", "source"):
        raise ValueError(text)
    return text


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError(text)
    return text == "on"


def _on_or_off(value: bool) -> str:
    return "on" if value else "off"


def _words(text: str) -> str:
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise ValueError(text)
    return text


def _guess(text: str) -> tuple[str, ...]:
    """Names with commas between; "none" for none of them."""
    if not re.fullmatch(r"[a-z]{1,20}(,[a-z]{1,20}){0,7}", text):
        raise ValueError(text)
    return () if text == "none" else tuple(text.split(","))


def _marks(text: str) -> tuple[int, ...]:
    """Per cents with dashes between."""
    if not re.fullmatch(r"[0-9]{1,3}(-[0-9]{1,3})?", text):
        raise ValueError(text)
    marks = tuple(map(int, text.split("-")))
    if max(marks) > 100:
        raise ValueError(text)
    return marks


def _named(names: tuple[str, ...]) -> str:
    return ",".join(names) or "none"


def _picture(text: str) -> str:
    if not re.fullmatch(r"sample:[\w-]+|(dataset|run|bundled):[\w-]+:[0-9]{1,9}|upload:[0-9a-f]{16}", text):
        raise ValueError(text)
    return text


def _counted(said: str) -> Field:
    return Field(_place, said, lambda value: str(value + 1))


FIELDS: dict[str, Field] = {
    "model": Field(_words, "no model reference", follows=True),
    "step": Field(_number, "no training step", follows=True),
    "run": Field(_words, "no run", follows=True),  # shown on Train; "new" is the form
    "one": Field(_words, "no run", follows=True),  # the pair of a race
    "other": Field(_words, "no run", follows=True),
    "picture": Field(_picture, "no picture", follows=True),
    "sweep": Field(_words, "no sweep"),
    "report": Field(_words, "no row", follows=True),  # Back from Train finds it, see kit/link_button.py
    "tab": Field(_words, "no tab"),
    "axis": Field(_words, "no axis"),
    "show": Field(_words, "no view"),
    "present": Field(_switch, "neither on nor off", _on_or_off),
    "group": Field(_words, "no group of runs"),
    "guess": Field(_guess, "no guess", _named),
    "beside": Field(_words, "no model reference"),  # the second model of Two models, one picture
    "lab": Field(_words, "no lab"),
    "marks": Field(_marks, "no guess in per cent", lambda marks: "-".join(map(str, marks))),
    "stop": Field(_place, "no stop of the tour", lambda value: str(value + 1), follows=True),
    "over": Field(_number, "no number of images"),
    "compare": Field(_beside, "neither off, on, bundled nor source"),
    "image_px": Field(_number, "no size in pixels"),
    "patch_px": Field(_number, "no size in pixels"),
    "layer": _counted("no layer"),
    "head": _counted("no head"),
    "patch": _counted("no patch"),
    "target": _counted("no class"),
    "method": Field(_words, "no method"),
}
EVERYWHERE = ("model", "step")
_OLD: dict[str, tuple[str, Callable[[str], str]]] = {  # of older links
    "vit": ("one", str),
    "resnet": ("other", str),
    "sample": ("picture", lambda title: f"sample:{title.lower().replace(' ', '-')}"),
}


def belong(page: str) -> tuple[str, ...]:
    """The fields that a page's address has, in their order."""
    shown = {*EVERYWHERE, *site.page(page).view}
    return tuple(name for name in FIELDS if name in shown)


def parse(query: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The fields that a query holds, as they are written, and a sentence for each that is left out."""
    found, sentences = {}, []
    for old, (name, today) in _OLD.items():
        if old in query and name not in query:
            query = {**query, name: today(query[old])}
    for name in FIELDS.keys() & query.keys():
        try:
            FIELDS[name].parse(query[name])
            found[name] = query[name]
        except ValueError:
            shown = query[name][:40]
            sentences.append(f"{shown!r} in the address is {FIELDS[name].said}; it is left out.")
    return {name: found[name] for name in FIELDS if name in found}, sentences


def written(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as they stand in an address; None is not said, and a full reference of a model gives its step, too."""
    values = dict(values)
    base, _, at = str(values.get("model") or "").partition("@")
    if at.isdecimal():
        values |= {"model": base, "step": int(at)}
    return {name: FIELDS[name].write(value) for name, value in values.items() if value is not None}


def link(page: str, **values: Any) -> dict[str, str]:
    """The query of a page's view: `st.switch_page(site.path(page), query_params=link(page, model="run:3f2a@40"))`."""
    query = written(values)
    wrong = query.keys() - set(belong(page))
    if wrong:
        raise ValueError(f"the page {page} has no {', '.join(sorted(wrong))} in its address")
    return query


# ---------------------------------------------------------------------- of this session


def arrive(page: str) -> None:
    """Take the view from the URL at the start of a script run; what is missing and follows is the session's."""
    url = st.query_params.to_dict()
    if st.session_state.pop(_AGAIN, None) == url and page == st.session_state.get(_PAGE):
        return  # see `redraw`
    found, sentences = parse(url)
    follows: dict[str, str] = st.session_state.setdefault(_FOLLOWS, {})
    if "model" in found:
        follows.pop("step", None)  # a model without a step is its latest
    for name, text in found.items():
        _put(follows, name, text, _follows(name, text))
    if ("one" in found) != ("other" in found) and follows.get("one") == follows.get("other"):
        follows.pop("other" if "one" in found else "one", None)  # a link names one run: beside it comes another
    known = follows | found
    st.session_state[_PAGE], st.session_state[_CAME] = page, set(found)
    st.session_state[_NOW] = {name: known[name] for name in belong(page) if name in known}
    for sentence in sentences:
        _say(sentence)


def query_of(session: SafeSessionState) -> str:
    """The query of a session as Streamlit knows it by now, outside of a script run."""
    with session.query_params() as known:
        return urlencode({name: known.get_all(name) for name in known}, doseq=True)


def redraw() -> NoReturn:
    """Run the page again from a part of it that looks now and then. Ends the script run.

    The browser may have asked for that look just before it heard what the person chose last; its URL would undo that.
    So the view stays what it is.
    """
    st.session_state[_AGAIN] = st.query_params.to_dict()
    st.rerun()


def get(name: str) -> Any:
    """A field of the present view; None where the address does not say it."""
    text = _known(name)
    return None if text is None else FIELDS[name].parse(text)


def came(name: str) -> bool:
    """Whether the URL itself said the field when this script run began; a link of the navigation says none."""
    return name in st.session_state.get(_CAME, ())


def one_of(name: str, options: Mapping[str, Any], default: str) -> str:
    """A field that is one of some words; any other is refused in a sentence."""
    value = get(name)
    if value is not None and value not in options:
        refuse(name, f"{value!r} in the address is {FIELDS[name].said} of this page; here is “{options[default]}”.")
    return value if value in options else default


def below(name: str, count: int) -> int | None:
    """A place among `count`; one beyond them is refused in a sentence, and None as one that is not said."""
    value: int | None = get(name)
    if value is None or value < count:
        return value
    refuse(name, f"There is {FIELDS[name].said} {value + 1} here, only {count}.")
    return None


def choose(**values: Any) -> None:
    """The person chose: one entry of the browser's history. None takes a field away."""
    if settle(**values):
        _write()


def settle(**values: Any) -> bool:
    """What the page shows without being asked, to complete the address; gives whether that says something new.

    What no address can say (a person may type anything for a model) changes nothing, and is refused in a sentence.
    """
    now, page = _now(), st.session_state.get(_PAGE, site.HOME.name)
    before = dict(now)
    texts, refusals = parse(written(values))
    for sentence in refusals:
        _say(sentence)
    if refusals:
        return False
    for name in {**values, **texts}:
        _put(st.session_state.setdefault(_FOLLOWS, {}), name, texts.get(name), _follows(name, texts.get(name)))
        _put(now, name, texts.get(name), name in belong(page))
    return now != before


def forget(*names: str) -> None:
    """Drop what is not there any more: no sentence, no default yet."""
    choose(**dict.fromkeys(names))


def refuse(name: str, sentence: str) -> None:
    """Take away what cannot be shown, and say so."""
    _say(sentence)
    settle(**{name: None})


def taken(name: str) -> str | None:
    """A word of the URL that belongs to no view (a lesson's code, say), which it then says no longer."""
    if name not in st.query_params:
        return None
    text: str = st.query_params[name]
    del st.query_params[name]
    return text


def values(query: str) -> dict[str, Any]:
    """The fields of what `query` gave, for `link`."""
    found, _ = parse(dict(parse_qsl(query)))
    return {name: FIELDS[name].parse(text) for name, text in found.items()}


def correct() -> list[str]:
    """After the page: write the URL anew where it said what cannot be shown; gives the sentences about it, once."""
    sentences: list[str] = st.session_state.pop(_SAYS, [])
    if sentences:
        _write()
    return sentences


def page() -> str:
    """The name of the page that is shown."""
    name: str = st.session_state.get(_PAGE, site.HOME.name)
    return name


def query() -> str:
    """What the URL of the present view says, without its question mark."""
    return urlencode(_ordered())


def known() -> str:
    """What the browser's URL says of this page's fields as far as the server knows, as `query`."""
    return urlencode({name: text for name, text in st.query_params.to_dict().items() if name in FIELDS})


def widget(name: str, key: str, value: Any, words: Mapping[Any, Any] | None = None) -> dict[str, Any]:
    """The arguments `key`, `on_change` and `args` of a widget that shows and changes a field.

    words: the field's word for what the widget holds, where they differ.
    """
    st.session_state[key] = value
    return {"key": key, "on_change": _changed, "args": (name, key, words)}


def _changed(name: str, key: str, words: Mapping[Any, Any] | None) -> None:
    value = st.session_state[key]
    choose(**{name: words[value] if words and value is not None else value})


def _say(sentence: str) -> None:
    says = st.session_state.setdefault(_SAYS, [])
    if sentence not in says:
        says.append(sentence)


def _follows(name: str, text: str | None) -> bool:
    return FIELDS[name].follows and text != NO_RUN


def _known(name: str) -> str | None:
    text: str | None = _now().get(name)
    return text if text is not None or not FIELDS[name].follows else st.session_state.get(_FOLLOWS, {}).get(name)


def _now() -> dict[str, str]:
    now: dict[str, str] = st.session_state.setdefault(_NOW, {})
    return now


def _ordered() -> dict[str, str]:
    return {name: _now()[name] for name in FIELDS if name in _now()}


def _put(texts: dict[str, str], name: str, text: str | None, belongs: bool) -> None:
    if text is None or not belongs:
        texts.pop(name, None)
    else:
        texts[name] = text


def _write() -> None:
    st.query_params.from_dict(_ordered())
