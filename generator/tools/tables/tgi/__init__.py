"""Reading releases of Text Generation Inference."""
