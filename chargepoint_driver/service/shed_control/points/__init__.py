"""Values of the points that shed control computes itself.

`limit_point` is the point `limit`, with the rated powers of `ratings`; `computed_points` has the
others.
"""
