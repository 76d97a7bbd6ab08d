# SPDX-License-Identifier: Apache-2.0
"""Plot the loss curve as a PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from node0.files import whole_path


def plot_loss(records: Sequence[Mapping[str, Any]], path: Path, *, title: str, unit: str) -> None:
    """Draw training and validation loss over steps into a PNG file; same records, same bytes."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for key, label, style in (("loss", "training", "-"), ("val_loss", "validation", "o-")):
        points = [(record["step"], record[key]) for record in records if record.get(key) is not None]
        if points:
            axes.plot([step for step, _ in points], [loss for _, loss in points], style, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel(f"loss per {unit}")
    axes.set_title(title)
    axes.grid(visible=True, alpha=0.3)
    if axes.get_lines():
        axes.legend()
    with whole_path(path) as beside:
        FigureCanvasAgg(figure).print_png(str(beside), metadata={"Software": None})  # type: ignore[no-untyped-call]  # matplotlib's
