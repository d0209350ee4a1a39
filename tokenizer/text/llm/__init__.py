"""A published language model (Llama, Qwen 3, Gemma 3) as a frozen text encoder."""
