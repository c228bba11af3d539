"""A student report's ViT, of torch's own encoder layers: `card.py` without torch, `net.py` the net, imported lazily."""

from vit_explore.models.report_vit.card import CARD as CARD
