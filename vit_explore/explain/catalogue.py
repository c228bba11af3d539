"""Every explanation in one table: what it shows, its formula and source, what it needs, what to look for and to beware
of.

A row here and a file beside it make a new explanation; the pages' panels and the contract tests follow from the row.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vit_explore.registry import Registry


@dataclass(frozen=True)
class Explanation:
    """One row. `needs`: attention (from patch to patch), patches (a sequence of patch tokens) or any (every model)."""

    name: str  # the function, vx.explain.<name>
    module: str  # its file in this package
    title: str
    needs: Literal["attention", "patches", "any"]
    source: str
    formula: str  # LaTeX
    what_you_see: str
    what_to_look_for: str
    what_to_beware: str

    @property
    def function(self) -> Callable[..., Any]:
        """The function itself, imported now."""
        function: Callable[..., Any] = getattr(importlib.import_module(f"{__package__}.{self.module}"), self.name)
        return function


EXPLANATIONS: Registry[Explanation] = Registry("explanation")

_ROWS = (
    Explanation(
        name="patch_grid",
        module="patches",
        title="Patches",
        needs="any",
        source="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, section 3.1",
        formula=r"x \in \mathbb{R}^{H \times W \times 3} \;\to\; \mathbb{R}^{N \times 3P^2}, \quad N = \tfrac{HW}{P^2}",
        what_you_see=(
            "The picture cut into squares of P by P pixels. Read row by row, the squares are the sequence that the "
            "model gets."
        ),
        what_to_look_for=(
            "Halve P, and the number of tokens grows four times and the attention sixteen times. Find a patch that "
            "alone tells the class."
        ),
        what_to_beware=(
            "The model sees the small picture, not your photo: shrinking to its input size may already have lost the "
            "detail that matters."
        ),
    ),
    Explanation(
        name="position_similarity",
        module="positions",
        title="Similarity of position embeddings",
        needs="patches",
        source="Dosovitskiy et al. 2021, Fig. 7 centre",
        formula=r"S_{ij} = \frac{e_i \cdot e_j}{\lVert e_i \rVert \, \lVert e_j \rVert}",
        what_you_see=(
            "One tile for each patch: how similar its position embedding is to that of every patch, from -1 to 1. "
            "Its own cell is 1."
        ),
        what_to_look_for=(
            "Before training the tiles are noise. Later each is orange around its own place, darkest where it meets "
            "itself, often along its row and column: the model has found out that the sequence is a picture."
        ),
        what_to_beware=(
            "Values within the noise floor 1/√D mean nothing. Fixed sine-cosine embeddings show structure without "
            "any training, and embeddings resampled to another grid look smoother than the trained ones."
        ),
    ),
    Explanation(
        name="filter_components",
        module="filters",
        title="Principal components of the patch filters",
        needs="any",
        source="Dosovitskiy et al. 2021, Fig. 7 left",
        formula=(
            r"W - \bar{W} = U \Sigma V^{\top}, \qquad \text{component } k = v_k, \qquad \text{explained variance} = "
            r"\frac{\sigma_k^2}{\sum_j \sigma_j^2}"
        ),
        what_you_see="The main patterns among the filters that turn a patch into a token, most important first.",
        what_to_look_for=(
            "Flat colours, then edges and waves of growing frequency: much like the basis of JPEG, and like the "
            "first layer of a CNN."
        ),
        what_to_beware=(
            "Each component is scaled to full contrast, so look at the explained variance before you admire the last "
            "ones. The sign is arbitrary. A conv stem or a CNN has no patch projection: there you see its first "
            "layer."
        ),
    ),
    Explanation(
        name="attention_maps",
        module="attention",
        title="Attention of every layer and head",
        needs="attention",
        source="Vaswani et al. 2017; Dosovitskiy et al. 2021, appendix A, eq. 6",
        formula=r"A = \operatorname{softmax}\!\left(\frac{Q K^{\top}}{\sqrt{D_h}}\right), \qquad \sum_j A_{ij} = 1",
        what_you_see="How much each token (the query) takes from each other. A row is a distribution: it sums to 1.",
        what_to_look_for=(
            "Heads of one layer divide the work: some look next to the patch, some at the whole picture, some at one "
            "kind of texture."
        ),
        what_to_beware=(
            "Attention says where information may flow, not what it does: the values, the MLPs and the residual path "
            "are not shown. A few background patches with very high attention are often storage, not content (Darcet "
            "et al. 2024)."
        ),
    ),
    Explanation(
        name="attention_rollout",
        module="rollout",
        title="Attention rollout",
        needs="attention",
        source="Abnar & Zuidema 2020, Quantifying Attention Flow in Transformers",
        formula=(
            r"\tilde{A}_l = \operatorname{rownorm}\bigl(\operatorname{fuse}_h A_l + I\bigr), \qquad R = \tilde{A}_L "
            r"\cdots \tilde{A}_1"
        ),
        what_you_see=(
            "The attention of all layers multiplied, with the residual path as I: how much of each patch can have "
            "reached the output."
        ),
        what_to_look_for=(
            "The object standing out from its background, more clearly with training and with a moderate discard ratio."
        ),
        what_to_beware=(
            "It is the same for every class and takes half of each layer to be residual, whatever the model learned. "
            "Without a class token it is the mean over the patches."
        ),
    ),
    Explanation(
        name="attention_distance",
        module="distance",
        title="Mean attention distance",
        needs="attention",
        source="Dosovitskiy et al. 2021, Fig. 7 right and Fig. 11",
        formula=(
            r"\mathrm{MAD}_{lh} = \frac{1}{N_p} \sum_i \sum_j A^{lh}_{ij} D_{ij}, \qquad D_{ij} = P \, \lVert p_i - "
            r"p_j \rVert_2"
        ),
        what_you_see="How far, in pixels, each head looks on average: the counterpart of a CNN's receptive field.",
        what_to_look_for=(
            "In a trained ViT the early layers have near and far heads side by side, and late layers look far. "
            "Compare with the line of uniform attention, where an untrained model sits."
        ),
        what_to_beware=(
            "As in the paper, attention to the class token counts as distance 0 and lowers the value; renormalise "
            "removes that. Small images and little data leave the heads close to uniform."
        ),
    ),
    Explanation(
        name="attention_entropy",
        module="entropy",
        title="Attention entropy",
        needs="attention",
        source="Shannon 1948, applied to the rows of A and divided by its largest value",
        formula=r"H_{lh} = \frac{-\sum_j A^{lh}_{ij} \ln A^{lh}_{ij}}{\ln N}, \quad \text{averaged over } i",
        what_you_see="How spread each head's attention is: 1 is all tokens alike, 0 is a single token.",
        what_to_look_for="An untrained model sits near 1. With training some heads sharpen; which layers do so first?",
        what_to_beware=(
            "Low entropy is focus, not importance: a head that always looks at the class token is very focused and "
            "may do nothing."
        ),
    ),
    Explanation(
        name="relevance",
        module="chefer",
        title="Class relevance",
        needs="attention",
        source="Chefer, Gur & Wolf 2021, Generic Attention-model Explainability",
        formula=(
            r"\bar{A}_l = \operatorname{mean}_h \operatorname{relu}\!\left(\frac{\partial y_c}{\partial A_l} \odot "
            r"A_l\right), \qquad R \leftarrow R + \bar{A}_l R \quad (l = 1 \dots L)"
        ),
        what_you_see="Rollout in which only attention that raises the logit of the chosen class counts.",
        what_to_look_for=(
            "Choose another class and watch the map move. Where two objects are in the picture, each class should "
            "find its own."
        ),
        what_to_beware=(
            "It shows what speaks for the class; evidence against it is cut off by the relu. On a wrong prediction "
            "it explains the wrong class, unless you choose another."
        ),
    ),
    Explanation(
        name="grad_cam",
        module="gradcam",
        title="Grad-CAM",
        needs="any",
        source="Selvaraju et al. 2017, Grad-CAM",
        formula=(
            r"\alpha_k = \frac{1}{Z} \sum_{ij} \frac{\partial y_c}{\partial F^k_{ij}}, \qquad M = "
            r"\operatorname{relu}\Bigl(\sum_k \alpha_k F^k\Bigr)"
        ),
        what_you_see=(
            "Where a late layer holds evidence for the class, resized to the picture and scaled to a maximum of 1. "
            "It fits ViT and ResNet."
        ),
        what_to_look_for="Compare the ViT's map with the ResNet's on one picture: do they look at the same thing?",
        what_to_beware=(
            "Each map is scaled to its own maximum, so strengths do not compare between pictures. It is as coarse as "
            "the layer's grid, and in a ViT with a class token the last block's patches have no gradient: the layer "
            "before its attention is used."
        ),
    ),
    Explanation(
        name="attribution",
        module="attributions",
        title="Pixel attribution",
        needs="any",
        source=(
            "Sundararajan et al. 2017 (integrated gradients); Lundberg & Lee 2017; Zeiler & Fergus 2014; Simonyan et "
            "al. 2014; by captum"
        ),
        formula=(
            r"\mathrm{IG}_i = (x_i - x'_i) \int_0^1 \frac{\partial y_c}{\partial x_i}\bigl(x' + \alpha (x - "
            r"x')\bigr)\, d\alpha"
        ),
        what_you_see=(
            "How each pixel moves the logit of the class, summed over the colours: positive speaks for it, negative "
            "against. Saliency has no sign."
        ),
        what_to_look_for=(
            "Integrated gradients sum to the logit's change from the baseline. Occlusion is slower and asks the "
            "plainest question: what if this patch were covered?"
        ),
        what_to_beware=(
            "The baseline is the dataset mean: a pixel of that colour gets nothing, whatever it shows. Gradients of "
            "a ViT follow the patch borders. Methods disagree; test them with the faithfulness curves."
        ),
    ),
    Explanation(
        name="faithfulness",
        module="deletion",
        title="Faithfulness: deletion and insertion",
        needs="any",
        source="Petsiuk, Das & Saenko 2018, RISE",
        formula=(
            r"\mathrm{AUC} = \int_0^1 p_c\bigl(x \text{ with its share } t \text{ of hottest pixels deleted, or "
            r"inserted}\bigr)\, dt"
        ),
        what_you_see=(
            "The probability of the class as pixels go (or come) in the order of a heatmap. Deletion: lower is "
            "better. Insertion: higher."
        ),
        what_to_look_for=(
            "A good heatmap falls fast in deletion and rises fast in insertion. Is it clearly better than the random "
            "one beside it?"
        ),
        what_to_beware=(
            "Half-deleted pictures are unlike anything the model was trained on. One picture proves little: compare "
            "over many. A random heatmap can win, and then the method has told you nothing."
        ),
    ),
    Explanation(
        name="cka",
        module="similarity",
        title="Similarity of representations (CKA)",
        needs="any",
        source="Kornblith et al. 2019; Nguyen, Raghu & Kornblith 2021 (debiased)",
        formula=(
            r"\mathrm{CKA}(X, Y) = \frac{\mathrm{HSIC}(K, M)}{\sqrt{\mathrm{HSIC}(K, K)\,\mathrm{HSIC}(M, M)}}, "
            r"\qquad K = XX^{\top}, \; M = YY^{\top}"
        ),
        what_you_see="How alike two layers arrange the same images: 1 is equal up to rotation and scale, 0 unrelated.",
        what_to_look_for="A ViT's layers resemble each other throughout; a ResNet's fall into early and late ones.",
        what_to_beware=(
            "The same images in the same order, at least 256 of them. Without debiasing, few images and many "
            "features make anything look alike. Alike does not mean that the same features are used."
        ),
    ),
    Explanation(
        name="logit_lens",
        module="lens",
        title="Logit lens",
        needs="patches",
        source="nostalgebraist 2020, interpreting GPT: the logit lens; here for each token of a ViT",
        formula=r"p_{l,i} = \operatorname{softmax}\bigl(\operatorname{head}(\operatorname{norm}(x_{l,i}))\bigr)",
        what_you_see=(
            "What the head would answer if it read each token after each block. In the last layer the class token "
            "gives the real answer."
        ),
        what_to_look_for="At which layer does the class token make up its mind? Do patches on the object name it too?",
        what_to_beware=(
            "The head was trained on the last layer's pooled token only. Early layers speak another language, so a "
            "confident answer there may be an accident."
        ),
    ),
)

for _row in _ROWS:
    EXPLANATIONS.register(_row.name)(_row)
