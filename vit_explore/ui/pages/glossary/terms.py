"""The words of the field, each in two sentences, and the page where it can be seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word. also: other names for it; page: of site.PAGES."""

    name: str
    text: str
    page: str
    also: str = ""


TERMS = (
    Term(
        "AlexNet",
        "The CNN that won ImageNet in 2012 by a wide margin and began the deep-learning years (Krizhevsky et al.). "
        "Its first filters, edges and colours, are a famous figure.",
        "reports",
    ),
    Term(
        "Attention head",
        "One of several attentions within a layer, with queries, keys and values of its own. Some look near, some "
        "far, and many can be switched off at little cost.",
        "attention",
    ),
    Term(
        "Augmentation",
        "Training on changed copies of the pictures: mirrored, shifted, mixed. It teaches what does not matter, "
        "which a ViT is not born with.",
        "train",
    ),
    Term(
        "Batch",
        "The images of one training step; their losses are averaged before the weights move. Attention must not run "
        "across it: one of the reports shows what happens then.",
        "why",
    ),
    Term(
        "Calibration",
        "Whether a model that says 90 % is right nine times in ten. The expected calibration error measures by how "
        "much it is not.",
        "train",
        "expected calibration error",
    ),
    Term(
        "CKA",
        "Centred kernel alignment: how alike two layers see many pictures, from 0 to 1, whatever their widths "
        "(Kornblith et al. 2019).",
        "pair",
    ),
    Term(
        "Class token",
        "A learned vector that stands for no patch and collects what the answer needs; the head reads it after the "
        "last layer.",
        "attention",
        "[CLS]",
    ),
    Term(
        "CNN",
        "A network that slides small filters over the picture: the same thing is found wherever it lies, and "
        "neighbours are seen together first.",
        "versus",
        "convolutional neural network",
    ),
    Term(
        "Deletion and insertion",
        "A test of a heatmap: delete the hottest pixels first and see how fast the answer falls; insert them first "
        "and see how fast it returns (Petsiuk et al. 2018).",
        "trust",
    ),
    Term(
        "Embedding",
        "A thing turned into a vector that can be calculated with: here a patch, by one matrix that is the same for "
        "all patches.",
        "filters",
        "patch projection",
    ),
    Term(
        "Epoch",
        "One pass over all training images.",
        "train",
    ),
    Term(
        "Fine-tuning",
        "Training a model on, on new pictures, from weights that have seen many others: the way in which the "
        "paper's models reach their figures.",
        "finetune",
    ),
    Term(
        "FLOPs",
        "Floating-point operations: what a pass costs, whatever the machine. Training takes about three times those "
        "of a forward pass.",
        "scaling",
    ),
    Term(
        "Grad-CAM",
        "A heatmap from the last feature map: where does it hold evidence for a class (Selvaraju et al. 2017)? It "
        "works for CNNs and ViTs.",
        "attention",
    ),
    Term(
        "Hybrid",
        "A ViT on the feature map of a CNN in place of patches: the paper's way to have both (section 3.1).",
        "reports",
    ),
    Term(
        "ImageNet",
        "1.28 million photos in 1,000 classes; the larger ImageNet-21k has 14 million. What small means in the paper.",
        "reports",
    ),
    Term(
        "Inductive bias",
        "What a model takes for granted before it has seen anything. A CNN: neighbours belong together, and a thing "
        "is the same everywhere. A ViT: almost nothing.",
        "versus",
    ),
    Term(
        "Layer normalisation",
        "Brings each token to mean 0 and spread 1 before a sub-layer. Before it (pre-norm) a deep model trains; "
        "after it (post-norm) it wants care.",
        "why",
        "pre-norm, post-norm",
    ),
    Term(
        "Learning rate",
        "How far the weights move at a step. It is warmed up first and lowered in the end.",
        "train",
        "warm-up, schedule",
    ),
    Term(
        "Linear probe",
        "A frozen model with one new matrix on its features: what do they know already?",
        "finetune",
    ),
    Term(
        "Logit",
        "The number that the head gives a class, before the softmax makes shares of them.",
        "attention",
    ),
    Term(
        "Logit lens",
        "The head applied to tokens after an earlier layer: what would it say by then?",
        "attention",
    ),
    Term(
        "MLP",
        "The small network that each token passes by itself after the attention: two matrices and a bend between them.",
        "train",
        "feed-forward network",
    ),
    Term(
        "Muon",
        "An optimiser whose update of a matrix is made orthogonal, so that all its directions are learned at one "
        "pace (Jordan et al. 2024).",
        "train",
    ),
    Term(
        "Patch",
        "A square of the picture that becomes one token. Half its side is four times as many tokens and sixteen "
        "times as many pairs.",
        "patches",
    ),
    Term(
        "Position embedding",
        "A learned vector for each place, added to its patch: without it a ViT cannot tell a picture from its "
        "shuffled pieces.",
        "positions",
    ),
    Term(
        "Pre-training",
        "The first, long training on very many pictures, before fine-tuning.",
        "reports",
    ),
    Term(
        "Query, key, value",
        "The three vectors that a token makes for attention: what it looks for, what it has, and what it gives.",
        "attention",
        "q, k, v",
    ),
    Term(
        "Receptive field",
        "The part of the picture that a unit of a CNN can see, and the smaller part that it does see (Luo et al. "
        "2016).",
        "pair",
    ),
    Term(
        "Register",
        "An extra token without a meaning of its own: large ViTs use it to store things that they would else put "
        "into patches (Darcet et al. 2024).",
        "attention",
    ),
    Term(
        "ResNet",
        "A CNN whose blocks add to what is there, so that it can be deep (He et al. 2016): the ViT's rival here.",
        "versus",
    ),
    Term(
        "Rollout",
        "The attention of all layers multiplied into one map (Abnar & Zuidema 2020).",
        "attention",
    ),
    Term(
        "Self-attention",
        "Every token looks at every other one, and takes from each by how well its key fits the query.",
        "tour",
    ),
    Term(
        "Softmax",
        "Makes shares of numbers: all positive, together 1, the largest taking most.",
        "tour",
    ),
    Term(
        "SOTA",
        "State of the art: the best figures so far on a benchmark. The paper's were of 2020.",
        "reports",
    ),
    Term(
        "Token",
        "What a transformer reads: a vector. Here a patch, the class token or a register.",
        "patches",
    ),
    Term(
        "Top-1 accuracy",
        "The share of images whose most probable class is the right one.",
        "train",
    ),
    Term(
        "TPU-day",
        "What one core of Google's accelerator computes in a day. ViT-H/14 took 2,500 of them for its pre-training.",
        "reports",
        "TPUv3-core-day",
    ),
    Term(
        "Transfer",
        "What is learned on some pictures and of use for others; the paper's point is how well it works when there "
        "were many.",
        "finetune",
        "transfer learning",
    ),
    Term(
        "Transformer",
        "An architecture of attention and MLPs alone, made for language (Vaswani et al. 2017) and given patches in "
        "place of words by the paper.",
        "home",
    ),
    Term(
        "Validation",
        "Images that are held out from training, to choose by. The test images are used once, at the end.",
        "train",
    ),
    Term(
        "VTAB",
        "19 tasks with 1,000 training images each, from photos to satellite pictures: a test of transfer.",
        "reports",
    ),
)
