"""What other sizes, fields of view and strides of the encoder of `tiny` bring: short trainings.

    python benchmarks/encoders.py OUT

Encoders of other widths or dilations learn the dense maps from scratch. Embeddings of other strides begin
with the weights that ship, fitted to the stride, and learn to answer prompts. All see the same synthetic
smears in the same order and are judged by the same others, which none has seen. `again` is `shipped` with
other initial weights: the difference of the two is the noise. A variant that is done is not repeated when the
command is started again; `--variants` divides them among processes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it
from torch.utils.data import DataLoader

from cascade.benchmark.tables import table
from cascade.exports.atomic import write_bytes
from cascade.sam.registry import TINY_WEIGHTS
from cascade.sam.tiny import has_fast_bfloat16, read_network
from cascade.sam.tiny_network import (
    DILATIONS,
    WIDTHS,
    Features,
    TinyEncoder,
    TinySam,
)
from cascade.training.learner import Learner, cosine_rate
from cascade.training.samples import PROMPTS, SmearStream
from cascade.training.tiny import TAUGHT, losses_of

_LESSONS, _EXAMINATION = 5, 99
"""Seeds of the smears."""
_RATE = 2e-3


@dataclass(frozen=True)
class Variant:
    """What differs from the shipped network.

    Attributes:
        widths: channels of the encoder at strides 2 to 32.
        dilations: of its coarsest blocks.
        seed: of the initial weights.
        stride: working pixels per cell of the embedding, on which prompts and picture meet; None: prompts
            are not taught.
    """

    widths: tuple[int, int, int, int, int] = WIDTHS
    dilations: tuple[int, int, int] = DILATIONS
    seed: int = 0
    stride: int | None = None


VARIANTS = {
    "shipped": Variant(),
    "again": Variant(seed=1),
    "half as wide": Variant(widths=(16, 24, 48, 80, 112)),
    "half again as wide": Variant(widths=(48, 72, 144, 240, 336)),
    "nearer view": Variant(dilations=(1, 1, 1)),
    "wider view": Variant(dilations=(2, 4, 8)),
    "stride 8, shipped": Variant(stride=8),
    "stride 16": Variant(stride=16),
    "stride 4": Variant(stride=4),
}


class TrialSam(TinySam):
    """`tiny` with another encoder, or an embedding of another stride."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.image_encoder = TinyEncoder(variant.widths, variant.dilations)
        if variant.stride is not None:
            self.load_state_dict(read_network(TINY_WEIGHTS).state_dict())
            self.stride = variant.stride
        drawn, up = self.prompt_encoder.mask_downscaling, self.mask_decoder.output_upscaling
        dim, fine, drawn_dim = up[0].in_channels, up[0].out_channels, drawn[3].out_channels
        if self.stride == 16:
            self.restride = _half(dim)
            drawn.append(_half(dim))
            up[0] = nn.Sequential(_double(dim), up[0])
        elif self.stride == 4:
            self.restride = nn.Conv2d(fine, dim, 1)
            nn.init.zeros_(self.restride.weight)
            finer = nn.Conv2d(drawn[3].in_channels, drawn_dim, 2, padding="same")
            finer.load_state_dict(drawn[3].state_dict())
            flat = nn.Conv2d(dim, fine, 1)
            flat.load_state_dict(
                {"weight": up[0].weight.mean((2, 3), keepdim=True).transpose(0, 1), "bias": up[0].bias}
            )
            drawn[3], up[0] = finer, flat

    def encode(self, images: Tensor) -> Features:
        """As `tiny`'s, with an embedding of the variant's stride."""
        features = super().encode(images)
        if self.stride == 16:
            return replace(features, embedding=self.restride(features.embedding))
        if self.stride == 4:
            finer = F.interpolate(features.embedding, scale_factor=2.0) + self.restride(features.fine4)
            return replace(features, embedding=finer)
        return features


def _half(channels: int) -> nn.Conv2d:
    """Begins as the mean of 2x2 cells."""
    layer = nn.Conv2d(channels, channels, 2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[:, :, None, None].expand_as(layer.weight) / 4)
    return layer


def _double(channels: int) -> nn.ConvTranspose2d:
    """Begins as every cell repeated 2x2."""
    layer = nn.ConvTranspose2d(channels, channels, 2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[:, :, None, None].expand_as(layer.weight))
    return layer


def main() -> None:
    """Train each variant that is not done yet, and print the table of all that are."""
    options = _options()
    torch.set_num_threads(options.threads)
    for name in options.variants or VARIANTS:
        path = options.out / f"{name.replace(' ', '-')}.json"
        if not path.exists():
            write_bytes(path, json.dumps(_trial(name, options), indent=1).encode() + b"\n")
    print(_table(options.out))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder of one JSON file for each variant")
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), help="default: all")
    parser.add_argument("--steps", type=int, default=400, help="of encoders, from scratch")
    parser.add_argument("--prompt-steps", type=int, default=250, help="of strides, from the shipped weights")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--examine", type=int, default=48, help="smears that none has seen")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _trial(name: str, options: argparse.Namespace) -> dict[str, Any]:
    variant = VARIANTS[name]
    asked = variant.stride is not None
    steps, rate = (options.prompt_steps, _RATE / 2) if asked else (options.steps, _RATE)
    torch.manual_seed(variant.seed)
    network = TrialSam(variant)
    untaught = _examine(network.eval(), asked, options) if asked else {}
    learner = Learner(network, torch.device("cpu"), rate)
    began = time.process_time()
    for step, batch in enumerate(islice(_batches(_LESSONS, PROMPTS if asked else 0, options.batch), steps)):
        losses = losses_of(network.train(), batch, asked)
        told = learner.update(losses, cosine_rate(rate, step, steps), TAUGHT)
        if step % 20 == 0:
            print(name, step, {key: round(value, 3) for key, value in told.items()}, flush=True)
    trained = time.process_time() - began
    average = cast(TrialSam, learner.average.eval())
    return {
        "name": name,
        "variant": asdict(variant),
        "steps": steps,
        "training_seconds": trained,
        "megabytes": sum(p.numel() for p in average.parameters()) * 2 / 1e6,
        "untaught": untaught,
        **_examine(average, asked, options),
        **_time(average),
    }


def _batches(seed: int, prompts: int, batch: int) -> DataLoader[dict[str, Any]]:
    return DataLoader(SmearStream(seed, 0, prompts), batch)


@torch.inference_mode()
def _examine(network: TrialSam, asked: bool, options: argparse.Namespace) -> dict[str, float]:
    """Means over smears that no variant has seen."""
    told: dict[str, list[float]] = defaultdict(list)
    for batch in islice(_batches(_EXAMINATION, PROMPTS, 1), options.examine):
        for key, value in losses_of(network, batch, asked).items():
            told[key].append(float(value))
        images = batch["image"].permute(0, 3, 1, 2).float()
        dense = network.encode(images).dense
        for channel, key in enumerate(("head", "tail")):
            found, truth = dense[:, channel] > 0, batch[key] > 0
            if either := int((found | truth).sum()):
                told[f"{key}_iou"].append(int((found & truth).sum()) / either)
    return {key: statistics.fmean(values) for key, values in told.items()}


@torch.inference_mode()
def _time(network: TrialSam) -> dict[str, float]:
    """Seconds to encode a field of 1280x1024, and for 16 prompts of tails in windows of 192 pixels."""
    field, windows = torch.full((1, 3, 1024, 1280), 200.0), torch.full((16, 3, 192, 192), 200.0)
    points, labels = torch.full((16, 8, 2), 96.0), torch.ones(16, 8)
    with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bfloat16(torch.device("cpu"))):
        features = network.encode(windows)
        return {
            "encode_seconds": _median_seconds(lambda: network.encode(field)),
            "decode_seconds": _median_seconds(lambda: network.decode(features, points, labels)),
        }


def _median_seconds(work: Callable[[], object], times: int = 7) -> float:
    spent = []
    for _ in range(times):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def _table(out: Path) -> str:
    done = [json.loads(path.read_text("utf-8")) for path in out.glob("*.json")]
    done.sort(key=lambda result: list(VARIANTS).index(result["name"]))
    head = ["encoder", "MB", "IoU of heads", "of tails", "tail loss", "direction", "encode, s", "training, s"]
    figures = ("head_iou", "tail_iou", "tail", "direction", "encode_seconds")
    asked = ["stride", "IoU of asked flagella", "before", "mask loss", "16 prompts, s", "training, s"]
    encoders = [
        [
            one["name"],
            f"{one['megabytes']:.1f}",
            *(f"{one[k]:.3f}" for k in figures),
            f"{one['training_seconds']:.0f}",
        ]
        for one in done
        if not one["untaught"]
    ]
    strides = [
        [
            one["name"],
            f"{one['iou']:.3f}",
            f"{one['untaught']['iou']:.3f}",
            *(f"{one[k]:.3f}" for k in ("mask", "decode_seconds")),
            f"{one['training_seconds']:.0f}",
        ]
        for one in done
        if one["untaught"]
    ]
    return table(head, encoders) + "\n" + table(asked, strides)


if __name__ == "__main__":
    main()
