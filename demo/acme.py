"""What the demo company is called, and who works there; for those as well who never load Django."""

from typing import Final

NAME: Final = "Acme"
SLUG: Final = "acme"
PEOPLE: Final = {
    "nadia": ("Nadia", "Okafor"),
    "tom": ("Tom", "Lindqvist"),
    "mei": ("Mei", "Tanaka"),
    "luis": ("Luis", "Ortega"),
    "priya": ("Priya", "Raman"),
    "jonas": ("Jonas", "Weber"),
}
FORMER: Final = {"sam": ("Sam", "Becker")}
"""Has left before anything begins, and leaves an account without an Owner."""
