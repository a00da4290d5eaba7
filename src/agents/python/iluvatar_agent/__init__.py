"""What runs inside a container of the `python3` runtime. A package, so that none of its names can stand in the way of a user's module."""
