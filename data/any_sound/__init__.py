"""Sound of any kind, without pictures: speech, music and effects out of public packages, and drawn tones."""
