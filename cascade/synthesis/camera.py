"""From absorbed light to a photograph: lamp, lens, sensor and file."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cascade.synthesis.canvas import Window, cloud
from cascade.types import FloatArray, UInt8Array

_REFERENCE = 100.0
_APERTURE = {40.0: 0.65, 60.0: 0.85, 100.0: 1.25}
"""Numerical apertures of usual objectives, by magnification."""
_AIRY = 0.21 * 0.55 / 4.7
"""Scale of the Gaussian nearest to an Airy disc, 0.21 λ / NA, for green light, in heads of 4.7 µm.

Zhang, Zerubia and Olivo-Marin, *Gaussian approximations of fluorescence microscope point-spread function
models*,
Applied Optics 2007.
"""


@dataclass(frozen=True)
class Camera:
    """How one field is photographed.

    Attributes:
        blur: scale of the lens's blur, head lengths.
        noise: grey levels; grain: scale of its blur, pixels.
        slope, vignette: fall of the light across the field and towards its corners, relative.
        halo: bright fringe around what absorbs, as phase contrast and unstained pictures show it, relative.
    """

    blur: float
    noise: float
    grain: float
    slope: float
    vignette: float
    halo: float = 0.0


def sample_camera(rng: np.random.Generator) -> Camera:
    """A microscope and camera: mostly sharp and quiet, now and then neither."""
    return Camera(
        blur=float(rng.uniform(0.006, 0.026) if rng.random() < 0.85 else rng.uniform(0.02, 0.05)),
        noise=float(np.exp(rng.normal(0.0, 0.45))),
        grain=float(rng.choice([0.0, 0.7, 1.2])),
        slope=0.02,
        vignette=float(abs(rng.normal(0, 0.03)) if rng.random() < 0.9 else rng.uniform(0.05, 0.3)),
    )


def optical_blur(magnification: float) -> float:
    """Blur of an objective beyond that of one of 100×, head lengths."""
    known = sorted(_APERTURE)
    aperture = float(np.interp(magnification, known, [_APERTURE[one] for one in known]))
    return _AIRY * float(np.sqrt(max(aperture**-2 - _APERTURE[_REFERENCE] ** -2, 0.0)))


def photograph(
    density: NDArray[np.float32],
    background: FloatArray,
    rng: np.random.Generator,
    unit: float,
    camera: Camera,
    label: Window | None = None,
) -> UInt8Array:
    """Expose a field.

    Args:
        density: `(height, width, 3)` optical density.
        background: `(3,)` RGB of the empty slide.
        rng: source of all randomness.
        unit: head length, pixels.
        camera: what takes the picture.
        label: where a white caption box hides the picture.

    Returns:
        `(height, width, 3)` RGB uint8.
    """
    light = _through(density, camera.halo, unit) * background.astype(np.float32)
    light *= 1 + _lamp(rng, light.shape[:2], camera)[..., None] * rng.uniform(0.6, 1.2, 3).astype(np.float32)
    _dust(light, rng, unit)
    light = _lens(light, rng, unit, camera)
    light = _sensor(light, rng, unit, camera)
    image = np.clip(light + 0.5, 0, 255).astype(np.uint8)
    if label is not None:
        _print_label(image, label, rng)
    return _compress(image, rng)


def _through(density: NDArray[np.float32], halo: float, unit: float) -> NDArray[np.float32]:
    """Light that comes through, relative to the empty slide's, with a fringe around what absorbs."""
    light = np.exp(-np.clip(density, -0.3, 8), dtype=np.float32)
    if halo <= 0:
        return light
    fringe = cv2.GaussianBlur(1 - light, (0, 0), 0.13 * unit) + 0.6 * cv2.GaussianBlur(
        1 - light, (0, 0), 0.04 * unit
    )
    return np.asarray(light + np.float32(halo) * fringe * light, np.float32)


def _lamp(rng: np.random.Generator, shape: tuple[int, int], camera: Camera) -> NDArray[np.float32]:
    """Uneven illumination, relative to the mean: a slope, a vignette and slow unevenness."""
    height, width = shape
    y, x = (
        np.linspace(-1, 1, height, dtype=np.float32)[:, None],
        np.linspace(-1, 1, width, dtype=np.float32)[None, :],
    )
    slope, vignette = rng.normal(0, camera.slope, 2), camera.vignette
    centre = rng.normal(0, 0.25, 2)
    lamp = slope[0] * x + slope[1] * y - vignette * 0.5 * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
    return np.asarray(lamp + 0.006 * cloud(rng, shape, width / 4), np.float32)


def _dust(light: NDArray[np.float32], rng: np.random.Generator, unit: float) -> None:
    """Out-of-focus dust on the sensor: soft dark discs or pale rings."""
    height, width = light.shape[:2]
    for _ in range(rng.poisson(2.5 * height * width / unit**2 / 160)):
        radius = unit * rng.uniform(0.06, 0.25)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        x0, y0 = max(0, int(x - 2 * radius)), max(0, int(y - 2 * radius))
        x1, y1 = min(width, int(x + 2 * radius) + 2), min(height, int(y + 2 * radius) + 2)
        r = np.hypot(np.arange(x0, x1)[None, :] - x, np.arange(y0, y1)[:, None] - y) / radius
        depth = rng.uniform(0.01, 0.09) * rng.choice([1, 1, -0.5])
        if rng.random() < 0.6:
            shade = np.exp(-0.5 * ((r - 0.8) / 0.15) ** 2) - 0.5 * np.exp(-0.5 * ((r - 0.45) / 0.2) ** 2)
        else:
            shade = 1 / (1 + np.exp(np.clip((r - 0.8) / 0.12, -40, 40)))
        light[y0:y1, x0:x1] *= (1 - depth * shade)[..., None].astype(np.float32)


def _lens(
    light: NDArray[np.float32], rng: np.random.Generator, unit: float, camera: Camera
) -> NDArray[np.float32]:
    """Defocus and lateral colour shift."""
    blur = unit * camera.blur
    if blur > 0.3:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), blur), np.float32)
    if rng.random() < 0.5:
        channel = int(rng.choice([0, 2, 2, 2]))
        light[..., channel] = cv2.GaussianBlur(light[..., channel], (0, 0), unit * rng.uniform(0.01, 0.05))
    if rng.random() < 0.6:
        height, width = light.shape[:2]
        for channel in (0, 2):
            shift = rng.normal(0, 0.011 * unit, 2)
            matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
            moved = cv2.warpAffine(
                light[..., channel],
                matrix,
                (width, height),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            light[..., channel] = moved
    return light


def _sensor(
    light: NDArray[np.float32], rng: np.random.Generator, unit: float, camera: Camera
) -> NDArray[np.float32]:
    """Sharpening halo, contrast and noise, fine or blotchy."""
    if rng.random() < 0.6:
        radius = max(0.8, unit * rng.uniform(0.015, 0.06))
        soft = cv2.GaussianBlur(light, (0, 0), radius)
        light = light + (light - soft) * np.float32(rng.uniform(0.1, 0.6))
    base = np.median(light[::16, ::16].reshape(-1, 3), axis=0)
    light = base + (light - base) * np.float32(rng.uniform(0.85, 1.25))
    noise = rng.standard_normal((*light.shape[:2], int(rng.choice([1, 3]))), np.float32)
    if camera.grain > 0.3:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), camera.grain), np.float32).reshape(noise.shape)
        noise = noise / max(float(noise.std()), 1e-6)
    return np.asarray(light + np.float32(camera.noise) * noise, np.float32)


def sample_label(rng: np.random.Generator, shape: tuple[int, int]) -> Window | None:
    """Corner taken by a scale bar or caption, on one picture in twenty."""
    if rng.random() > 0.05:
        return None
    height, width = shape
    w, h = int(width * rng.uniform(0.08, 0.25)), int(height * rng.uniform(0.03, 0.09))
    x = 0 if rng.random() < 0.5 else width - w
    y = 0 if rng.random() < 0.3 else height - h
    return x, y, x + w, y + h


def _print_label(image: UInt8Array, label: Window, rng: np.random.Generator) -> None:
    """A white box, with a dark bar or without."""
    x0, y0, x1, y1 = label
    w, h = x1 - x0, y1 - y0
    image[y0:y1, x0:x1] = 255
    if rng.random() < 0.6:
        image[y0 + h // 3 : y0 + h // 3 + max(2, h // 8), x0 + w // 8 : x1 - w // 8] = int(
            rng.integers(0, 120)
        )


def _compress(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """What JPEG leaves of it, quality 60–95; some pictures were never compressed."""
    if rng.random() < 0.15:
        return image
    quality = int(rng.integers(60, 96))
    ok, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else None
    return image if decoded is None else np.ascontiguousarray(decoded[..., ::-1], dtype=np.uint8)
