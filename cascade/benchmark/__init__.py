"""How well sperm were segmented: annotations by experts, and figures that compare predictions with them."""
