"""From prompts, pictures, clips and sounds to new clips: requests, decoding, model folders."""
