"""What prompts and architectures cost: time, memory, and what is asked of a model."""
