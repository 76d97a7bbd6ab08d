# SPDX-License-Identifier: Apache-2.0
from node0.finetune.training.output.loss_plot import plot_loss

RECORDS = [{"step": 0, "val_loss": 3.0}, {"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5, "val_loss": 2.0}]


def test_the_same_records_give_the_same_picture(tmp_path):
    for name in ("a.png", "b.png"):
        plot_loss(RECORDS, tmp_path / name, title="deacon", unit="token")

    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
