"""What can go wrong, by name. Every message says what was expected, what was found and what to do."""


class CS3Error(Exception):
    """Base of every error that CS3 raises on purpose; its text is meant for the person at the keyboard."""


class ImageError(CS3Error):
    """The input is not an image that can be segmented: unreadable, empty, truncated, or too large."""


class ConfigError(CS3Error):
    """A configuration holds an unknown key or a value out of range."""


class ModelError(CS3Error):
    """A model's weights are missing, damaged, or not of the architecture they claim."""


class DeviceError(CS3Error):
    """The requested device is not available on this machine."""


class OutputError(CS3Error):
    """Results cannot be written: folder in use, not writable, or disk full."""


class AnnotationError(CS3Error):
    """An annotation file does not hold what its format promises."""
