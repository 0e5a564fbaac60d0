"""`Section`: a part of the page with a heading, named in the page's navigation."""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect_agents.pictures.markup import Child, Markup, tag


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page."""

    id: str
    """Its anchor."""
    title: str
    """Its heading."""
    content: tuple[Child, ...]
    """What follows the heading; None is left out."""

    def markup(self) -> Markup:
        """Return the section as HTML."""
        heading = f"{self.id}-title"
        return tag(
            "section",
            tag("h2", self.title, id=heading),
            *self.content,
            id=self.id,
            aria_labelledby=heading,
        )

    def link(self) -> Markup:
        """Return a link to the section."""
        return tag("a", self.title, href=f"#{self.id}")
