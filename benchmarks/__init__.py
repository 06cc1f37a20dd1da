"""Speed and memory of the closure and the refinement, beside a plain dense reference."""
