"""Names of figures and measures as people read them, in the order and groups of the report."""

from __future__ import annotations

GROUPS: dict[str, tuple[str, ...]] = {
    "Whole sperm": ("mIoU", "mDice", "F1", "recall50", "precision50", "PQ"),
    "Detection": ("AP", "AP50", "AP75", "COCO AP", "COCO AP50", "COCO AP75"),
    "Parts, IoU": (
        "head IoU",
        "flagellum IoU",
        "acrosome IoU",
        "nucleus IoU",
        "vacuole IoU",
        "midpiece IoU",
        "tail IoU",
        "sperm IoU",
    ),
    "Centreline": ("centreline recall", "centreline precision", "clDice", "length error"),
    "Parsing": ("parsing mIoU", "APp50", "APpvol", "PCP50"),
    "Counts": ("images", "sperm", "predicted"),
}
"""Group → figures; what is not named here comes last, as `Further`."""

HEADLINE = ("mIoU", "F1", "PQ", "AP50", "flagellum IoU", "centreline recall")
"""Figures that are drawn first."""

COUNTS = GROUPS["Counts"]
LOWER_IS_BETTER = frozenset({"length error"})

MEANINGS: dict[str, str] = {
    "mIoU": "Mean over the experts' sperm of the IoU with the paired prediction, 0 where none is.",
    "mDice": "The same with Dice, 2·IoU / (1 + IoU).",
    "F1": "Of detection: a predicted sperm counts as right where its IoU is at least 0.5.",
    "recall50": "Share of the experts' sperm found with an IoU of at least 0.5.",
    "precision50": "Share of the predicted sperm that are right in that sense.",
    "PQ": "Panoptic quality: F1 × mean IoU of what is right.",
    "AP": "Average precision over IoU 0.50, 0.55, … 0.95, all-point.",
    "AP50": "Average precision at IoU 0.5.",
    "AP75": "Average precision at IoU 0.75.",
    "COCO AP": "The same as COCO's tools reckon it, at 101 recalls; also at 0.5 and 0.75.",
    "head IoU": "Mean IoU of the heads of paired sperm, 0 where none is; likewise for other parts.",
    "flagellum IoU": "Midpiece and tail together.",
    "centreline recall": "Share of the experts' centrelines that lies within the paired flagellum.",
    "centreline precision": "Share of the predicted centrelines that lies within the expert's flagellum.",
    "clDice": "Harmonic mean of the two.",
    "length error": "Median of |length − expert's length| / expert's length of the flagella.",
    "parsing mIoU": "IoU of all pixels of a part together, mean over parts.",
    "APp50": "Average precision where a sperm is right if its parts' mean IoU is at least 0.5.",
    "APpvol": "Mean of this over 0.1, 0.2, … 0.9.",
    "PCP50": "Share of a sperm's parts with an IoU of at least 0.5.",
}

MEASURES: dict[str, tuple[str, str]] = {
    "tail_length_px": ("Tail length", "px"),
    "tail_width_px": ("Tail width", "px"),
    "tail_area_px2": ("Tail area", "px²"),
    "head_length_px": ("Head length", "px"),
    "head_width_px": ("Head width", "px"),
    "head_perimeter_px": ("Head perimeter", "px"),
    "head_area_px2": ("Head area", "px²"),
}
"""Measure → name, unit; drawn in this order."""

DRAWN_MEASURES = ("tail_length_px", "tail_width_px", "head_length_px", "head_width_px")


def grouped(names: list[str]) -> dict[str, list[str]]:
    """The figures at hand by group."""
    known = {name for group in GROUPS.values() for name in group}
    found = {group: [name for name in members if name in names] for group, members in GROUPS.items()}
    further = {"Further": [name for name in names if name not in known]}
    return {group: members for group, members in (found | further).items() if members}
