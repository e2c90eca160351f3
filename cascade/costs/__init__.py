"""What prompts, architectures and mistakes cost: time, memory, accuracy."""
