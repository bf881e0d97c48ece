"""The HTTP application: routes, and what every request passes before them."""
