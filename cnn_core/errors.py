"""What a visitor can put right, kept apart from what is our bug."""


class Refused(ValueError):
    """A request that cannot be served, in one sentence the visitor can act on.

    Everything else that is raised is a bug, and should surface as one. The sentence is a template and its values stay
    apart from it, so that a translation needs the template only.

    Args:
        sentence: a `str.format` template, e.g. "Pictures of at most {limit} megapixels, please."
        **values: what to fill in.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence.format(**values))
        self.sentence = sentence
        self.values = values
