"""The questions of a survey at work: what path answers take, what a visitor gets to see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.kit.errors import FieldError, Invalid
from app.kit.filters import Filter, parse_filter
from app.kit.strict_json import pointer_token
from app.surveys.schemas.questions import PublicChoice, PublicQuestion
from app.surveys.service.answers import Asked, WrongAnswer, read_answer, typed
from app.surveys.service.branching import ConditionReader, Predicate, predicates, truth
from app.surveys.service.languages import best_tag, in_language


@dataclass(frozen=True, slots=True)
class Walk:
    """What a set of answers comes to: the keys of the questions that are asked, in order, and those of them
    that still need an answer."""

    path: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The questions of one version of a survey. Never changes, so it may be kept and shared."""

    questions: tuple[Asked, ...]
    score_key: str | None
    _by_key: Mapping[str, Asked]
    _filters: Mapping[str, Filter]
    _depended_on: frozenset[str]

    @classmethod
    def read(cls, stored: Sequence[Mapping[str, Any]], survey_type: str) -> "Questionnaire":
        """From what `soundness.checked` gave, and the survey's type."""
        filters = {each["key"]: parse_filter(each["show_if"]) for each in stored if "show_if" in each}
        asked = []
        reader = ConditionReader(())
        for each in stored:
            node = filters.get(each["key"])
            asked.append(Asked.of(each, reader.read(node, "") if node else None))
            reader.pass_by(each)
        scores = [each.key for each in asked if each.type == survey_type]
        named = [predicates(each.condition) for each in asked if each.condition]
        depended_on = frozenset(predicate.question for some in named for predicate in some)
        by_key = {each.key: each for each in asked}
        return cls(tuple(asked), scores[0] if scores else None, by_key, filters, depended_on)

    def walk(self, answers: Mapping[str, Any]) -> Walk:
        """The path that stored answers take; those to questions off it are as if they were not there."""
        path, missing = [], []
        known: dict[str, Any] = {}

        def judge(predicate: Predicate) -> bool:
            return predicate.holds(known.get(predicate.question))

        for question in self.questions:
            if question.condition is not None and not truth(question.condition, judge):
                continue
            path.append(question.key)
            answer = answers.get(question.key)
            if answer is None:
                if question.required:
                    missing.append(question.key)
            elif question.key in self._depended_on:
                known[question.key] = typed(question, answer)
        return Walk(tuple(path), tuple(missing))

    def merged(
        self, stored: Mapping[str, Any], said: Mapping[str, Any], pointer: str = "/answers"
    ) -> dict[str, Any]:
        """The stored answers with what is said now on top, cut to the path they take, in its order.

        Null clears an answer, and so do a blank text and an empty list. Raises `Invalid` for each value that
        does not answer its question, and for an answer said now to a question off the path.
        """
        read = self._read(said, pointer)
        answers = {**stored, **read}
        path = self.walk(answers).path
        missed = [key for key, answer in read.items() if answer is not None and key not in path]
        Invalid.refuse_any(
            [
                FieldError(
                    f"{pointer}/{pointer_token(key)}", "The other answers do not lead here.", "not_reached"
                )
                for key in missed
            ]
        )
        return {key: answers[key] for key in path if answers.get(key) is not None}

    def localised(self, wanted: Sequence[str], default_locale: str) -> tuple[str, list[PublicQuestion]]:
        """The questions for a visitor who wants these languages, best first, and the tag of the language that
        fits best of those in which the survey has any text."""
        shown = [self._shown(question, wanted, default_locale) for question in self.questions]
        return best_tag(self._tags(default_locale), wanted, default_locale), shown

    def _read(self, said: Mapping[str, Any], pointer: str) -> dict[str, Any]:
        read: dict[str, Any] = {}
        errors = []
        for key, value in said.items():
            place = f"{pointer}/{pointer_token(key)}"
            question = self._by_key.get(key)
            if question is None:
                errors.append(
                    FieldError(place, "The survey has no question of that key.", "unknown_question")
                )
                continue
            try:
                read[key] = read_answer(question, value)
            except WrongAnswer as wrong:
                errors.append(FieldError(place + wrong.error.pointer, wrong.error.detail, wrong.error.code))
        Invalid.refuse_any(errors)
        return read

    def _shown(self, question: Asked, wanted: Sequence[str], default_locale: str) -> PublicQuestion:
        shape = question.shape
        low, high = question.bounds
        choices = [
            PublicChoice(key=each["key"], text=in_language(each["text"], wanted, default_locale))
            for each in shape.get("choices", ())
        ]
        return PublicQuestion(
            key=question.key,
            type=question.type,
            text=in_language(shape["text"], wanted, default_locale),
            help=in_language(shape["help"], wanted, default_locale) if "help" in shape else None,
            required=question.required,
            choices=choices or None,
            min=low,
            max=high,
            min_choices=shape.get("min_choices"),
            max_choices=shape.get("max_choices"),
            max_length=shape.get("max_length"),
            show_if=self._filters.get(question.key),
        )

    def _tags(self, default_locale: str) -> set[str]:
        """What is one text for everybody counts as being in the default locale."""
        tags: set[str] = set()
        for question in self.questions:
            for each in (question.shape, *question.shape.get("choices", ())):
                for text in (each["text"], each.get("help", {})):
                    tags |= {default_locale} if isinstance(text, str) else text.keys()
        return tags
