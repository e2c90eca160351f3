"""CS3 as a service: laboratory software sends a field of view over HTTP and gets sperm back."""
