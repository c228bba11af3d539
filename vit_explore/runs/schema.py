"""The tables of the store: of runs.db, or of a PostgreSQL database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()
Whole = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # FLOPs and bytes go beyond 32 bits, which SQLite has not

ids = sa.Table(
    "ids", metadata, sa.Column("id", sa.Text, primary_key=True)
)  # of every run ever made: none is used twice

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("seq", Whole, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, unique=True, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("config", sa.Text, nullable=False),  # JSON
    sa.Column("position", sa.Integer, nullable=False),  # the order of the queue
    sa.Column("created", sa.Float, nullable=False),  # seconds since 1970, as all times of day here
    sa.Column("claimed", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("error", sa.Text),
    sa.Column("note", sa.Text),  # what goes on where no steps are taken; of a finished run, how it ended
    sa.Column("stop", sa.Boolean, nullable=False, default=False),
    sa.Column("worker", sa.Text),  # who trains it, and where: see records.Claimant
    sa.Column("slot", sa.Text),
    sa.Column("pid", sa.Integer),
    sa.Column("pid_started", sa.Float),
    sa.Column("host", sa.Text),
    sa.Column("heartbeat", sa.Float),
    sa.Column("facts", sa.Text),  # JSON of Started, without its images
    sa.Column("has_checkpoint", sa.Boolean, nullable=False, default=False),
    sa.Column("disk_bytes", Whole, nullable=False, default=0),
    *(sa.Column(name, Whole) for name in ("step", "images_seen", "params", "flops")),
    *(
        sa.Column(name, sa.Float)
        for name in (
            "epoch",
            "loss",
            "elapsed",
            "remaining",
            "images_per_second",
            "top1",
            "test_top1",
            "macro_f1",
            "train_seconds",
        )
    ),
    sa.Column("device", sa.Text),
    *(sa.Column(name, sa.Text) for name in ("owner", "group", "parent")),  # since version 2
    # since version 3: the step of its parent that a fork starts from; what a person has set (JSON of Controls);
    # whether it is to end without a test; when someone last looked at it; on how many images the test was
    sa.Column("fork_step", sa.Integer),
    sa.Column("controls", sa.Text),
    sa.Column("skip_test", sa.Boolean),
    sa.Column("watched", sa.Float),
    sa.Column("test_images", sa.Integer),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("pid", sa.Integer),
    sa.Column("pid_started", sa.Float),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # starting, warm, busy, failed (died before it was warm)
    sa.Column("heartbeat", sa.Float, nullable=False),
    sa.Column("run", sa.Text),
)


def _run_column() -> sa.Column[Any]:
    return sa.Column("run", sa.Text, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


steps = sa.Table(
    "steps",
    metadata,
    _run_column(),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.Float),
    sa.Column("loss", sa.Float),
    sa.Column("lr", sa.Float),
    sa.Column("images_seen", Whole),
    sa.Column("images_per_second", sa.Float),
    sa.Column("elapsed", sa.Float),
    sa.Column("remaining", sa.Float),
    sa.Column("progress", sa.Float),  # since version 3
    sqlite_with_rowid=False,
)

marks = sa.Table(
    "marks",  # Changed and Paused; since version 3
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("run", sa.Text, sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("elapsed", sa.Float),
    sa.Column("seconds", sa.Float),  # of a pause; null for a change
    sa.Column("lr_factor", sa.Float),
    sa.Column("weight_decay", sa.Float),
    sa.Column("augment", sa.Text),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    _run_column(),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("split", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Float),
    sa.Column("elapsed", sa.Float),
    sa.Column("images_seen", Whole),
    sa.Column("loss", sa.Float),
    sa.Column("top1", sa.Float),
    *(sa.Column(name, sa.LargeBinary) for name in ("per_class", "confusion", "sample_probs")),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    _run_column(),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.Float),
    sa.Column("elapsed", sa.Float),
    sa.Column("bytes", Whole),
    sa.Column("on_clock", sa.Boolean),  # since version 3
)

guesses = sa.Table(
    "guesses",  # what people said of a run before its end; since version 4
    metadata,
    _run_column(),
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("top1", sa.Float, nullable=False),
    sa.Column("confused", sa.Text),  # JSON of two names of classes
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("made", sa.Float, nullable=False),
)

lessons = sa.Table(
    "lessons",  # since version 4
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),  # SHA-256 of the teacher's
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("ended", sa.Float),
    sa.Column("pid", sa.Integer),  # of the process that serves it
    sa.Column("pid_started", sa.Float),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("heartbeat", sa.Float, nullable=False),
    sa.Column("limits", sa.Text, nullable=False),  # JSON of Limits
    sa.Column("is_paused", sa.Boolean, nullable=False, default=False),  # no run starts
    sa.Column("shows_names", sa.Boolean, nullable=False, default=False),  # to the class, of guesses
    sa.Column("follow", sa.Text),  # JSON of what the teacher shows to all; null: nothing
    sa.Column("shown", sa.Integer, nullable=False, default=0),  # how often that has changed
)

people = sa.Table(
    "people",  # the students of a lesson; since version 4
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("lesson", sa.Text, sa.ForeignKey("lessons.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("nickname", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False, unique=True),  # SHA-256 of what the browser keeps
    sa.Column("joined", sa.Float, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
    sa.Column("removed", sa.Float),
)

finishes = sa.Table(
    "finishes",
    metadata,
    _run_column(),
    sa.Column("scalars", sa.Text, nullable=False),  # JSON of Finished, without its arrays
    *(sa.Column(name, sa.LargeBinary) for name in ("per_class", "confusion", "predictions")),
)
