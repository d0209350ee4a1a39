"""Conversion of VidTok's published files to model folders."""
