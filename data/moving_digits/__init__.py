"""Moving handwritten digits that speak: drawn clips with exact captions."""
