"""From the draft to the plan, and what people decide afterwards."""
