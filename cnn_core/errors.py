"""What a visitor can put right, kept apart from what is our bug; and texts that can be translated."""

from __future__ import annotations

from collections.abc import Callable


class Words:
    """A text, its template apart from what fills it, so that a translation needs the template only.

    Args:
        template: for `str.format`, e.g. "the server answered {code}".
        **values: what to fill in; words among them, or a list of words, are translated too.
    """

    def __init__(self, template: str, **values: object) -> None:
        self.template = template
        self.values = values

    def said(self, translate: Callable[[str], str]) -> str:
        """The text, made of the templates that `translate` gives for the English ones."""

        def filled(value: object) -> object:
            if isinstance(value, Words):
                return value.said(translate)
            if isinstance(value, list) and any(isinstance(each, Words) for each in value):
                return "; ".join(str(filled(each)) for each in value)
            return value

        return translate(self.template).format(**{name: filled(value) for name, value in self.values.items()})

    def __str__(self) -> str:
        return self.said(str)


class Refused(ValueError):
    """A request that cannot be served, in one sentence the visitor can act on.

    Everything else that is raised is a bug, and should surface as one.

    Args:
        sentence: a template as of `Words`, e.g. "Pictures of at most {limit} megapixels, please."
        **values: what to fill in.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        self.words = Words(sentence, **values)
        super().__init__(str(self.words))
