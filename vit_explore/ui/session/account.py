"""Accounts in a lesson, where the secrets name an OpenID Connect provider: who has signed in at this browser.

.streamlit/secrets.toml: [auth] as Streamlit has it, and [vit_explore] teachers = ["ada@school.example"], by e-mail.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError


@dataclass(frozen=True)
class Account:
    """id: the provider's address and its name for the person; email: "" unless the provider has verified it."""

    id: str
    name: str
    email: str


def are_offered() -> bool:
    """Whether people sign in with an account, in place of choosing a nickname alone."""
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False


def here() -> Account | None:
    """Who has signed in; None for nobody, or where there are no accounts."""
    if not are_offered() or not st.user.is_logged_in:
        return None
    claims = st.user.to_dict()
    is_verified = claims.get("email_verified") in (True, "true")
    email = str(claims.get("email", "")) if is_verified else ""
    return Account(f"{claims.get('iss')}|{claims.get('sub')}", str(claims.get("name", "")), email)


def is_teacher(account: Account | None) -> bool:
    """Whether the secrets name the account as a teacher's."""
    if account is None or not account.email:
        return False
    teachers = st.secrets.get("vit_explore", {}).get("teachers", ())
    return account.email.casefold() in {str(teacher).casefold() for teacher in teachers}
