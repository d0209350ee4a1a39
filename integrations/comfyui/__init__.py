"""A node for ComfyUI that makes clips with a server of reelm. Put this folder into `custom_nodes`."""

from .node import MakeVideo

NODE_CLASS_MAPPINGS = {"ReelmMakeVideo": MakeVideo}
NODE_DISPLAY_NAME_MAPPINGS = {"ReelmMakeVideo": "reelm: words to video"}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
