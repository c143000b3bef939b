"""What the shop's customers say, in English and German: sentences on a few topics, to be put together."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

Sentences = Mapping[str, tuple[str, ...]]
"""By language, `en` or `de`."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that customers care about; `cause` is what a follow-up on it is counted by."""

    key: str
    name: Mapping[str, str]
    cause: str
    praise: Sentences
    complaint: Sentences
    outcomes: tuple[str, ...]


TOPICS = (
    Topic(
        "delivery",
        {"en": "Delivery", "de": "Die Lieferung"},
        "late_delivery",
        {
            "en": (
                "Fast delivery, the parcel was here after two days.",
                "The delivery is always quick and on time.",
                "Lovely packaging and no plastic in the parcel.",
                "Ordered on Monday, brewed on Wednesday.",
            ),
            "de": (
                "Schnelle Lieferung, das Paket war nach zwei Tagen da.",
                "Die Lieferung kommt immer pünktlich.",
                "Schöne Verpackung, und kein Plastik im Paket.",
                "Am Montag bestellt, am Mittwoch schon aufgebrüht.",
            ),
        },
        {
            "en": (
                "The delivery was late, a whole week late.",
                "Delivery is slow and the tracking was useless.",
                "The parcel arrived damaged and the packaging was torn.",
                "Nobody told me about the delay of my parcel.",
            ),
            "de": (
                "Die Lieferung kam viel zu spät, eine ganze Woche.",
                "Die Lieferung ist langsam, und die Sendungsverfolgung stimmte nicht.",
                "Das Paket kam beschädigt an, die Verpackung war gerissen.",
                "Niemand hat mir gesagt, dass sich mein Paket verspätet.",
            ),
        },
        ("Apologised and refunded the shipping.", "Sent a second parcel by express."),
    ),
    Topic(
        "quality",
        {"en": "The coffee itself", "de": "Der Kaffee selbst"},
        "product_quality",
        {
            "en": (
                "The best coffee beans I have had in years.",
                "Fresh beans, wonderful aroma, great taste.",
                "The hand grinder is excellent and easy to clean.",
                "My whole office loves the espresso.",
            ),
            "de": (
                "Die besten Kaffeebohnen seit Jahren.",
                "Frische Bohnen, wunderbares Aroma, toller Geschmack.",
                "Die Handmühle ist ausgezeichnet und leicht zu reinigen.",
                "Das ganze Büro liebt den Espresso.",
            ),
        },
        {
            "en": (
                "The beans were stale and the coffee tasted bitter.",
                "The quality of the beans is worse than last year.",
                "The hand grinder broke after two weeks.",
                "The roast was far too dark, I was disappointed by the taste.",
            ),
            "de": (
                "Die Bohnen waren alt, und der Kaffee schmeckte bitter.",
                "Die Qualität der Bohnen ist schlechter als im letzten Jahr.",
                "Die Handmühle ging nach zwei Wochen kaputt.",
                "Die Röstung war viel zu dunkel, der Geschmack hat mich enttäuscht.",
            ),
        },
        ("Sent fresh beans of another roast.", "Replaced the grinder.", "Told the roastery about the batch."),
    ),
    Topic(
        "price",
        {"en": "The price", "de": "Der Preis"},
        "price",
        {
            "en": (
                "Fair prices for this quality.",
                "Good value, and the newsletter discount is a nice touch.",
                "The price is worth every cent.",
            ),
            "de": (
                "Faire Preise für diese Qualität.",
                "Gutes Preis-Leistungs-Verhältnis, und der Rabatt im Newsletter freut mich.",
                "Der Preis ist jeden Cent wert.",
            ),
        },
        {
            "en": (
                "The price went up again, it is getting too expensive.",
                "Shipping costs are too high for a small order.",
                "Overpriced compared with the roastery next door.",
            ),
            "de": (
                "Der Preis ist schon wieder gestiegen, langsam wird es zu teuer.",
                "Die Versandkosten sind zu hoch für eine kleine Bestellung.",
                "Zu teuer, verglichen mit der Rösterei nebenan.",
            ),
        },
        ("Explained the new prices and gave a voucher.", "Suggested the larger bag, which ships for free."),
    ),
    Topic(
        "support",
        {"en": "Customer service", "de": "Der Kundendienst"},
        "slow_support",
        {
            "en": (
                "Friendly support, they answered within an hour.",
                "Customer service was helpful and solved my question at once.",
                "A real person answered my mail, thank you!",
            ),
            "de": (
                "Freundlicher Kundendienst, die Antwort kam nach einer Stunde.",
                "Der Kundendienst war hilfsbereit und hat meine Frage sofort gelöst.",
                "Ein echter Mensch hat meine Mail beantwortet, danke!",
            ),
        },
        {
            "en": (
                "Support is slow, I waited days for an answer.",
                "Customer service was unhelpful and rude.",
                "I had to explain my problem three times to support.",
            ),
            "de": (
                "Der Kundendienst ist langsam, ich habe Tage auf eine Antwort gewartet.",
                "Der Kundendienst war unfreundlich und keine Hilfe.",
                "Ich musste dem Kundendienst mein Problem dreimal erklären.",
            ),
        },
        ("Called, listened and solved the case on the phone.", "Apologised for the wait."),
    ),
    Topic(
        "ordering",
        {"en": "Ordering", "de": "Das Bestellen"},
        "checkout_problem",
        {
            "en": (
                "Ordering in the app is easy and quick.",
                "The website is clear and the checkout takes a minute.",
                "Great choice, and reordering is a pleasure.",
            ),
            "de": (
                "Das Bestellen in der App ist einfach und geht schnell.",
                "Die Website ist übersichtlich, die Kasse dauert eine Minute.",
                "Große Auswahl, und Nachbestellen macht Freude.",
            ),
        },
        {
            "en": (
                "The checkout failed twice and I lost my cart.",
                "The website is confusing on a phone.",
                "My favourite beans are sold out all the time.",
            ),
            "de": (
                "Die Kasse ist zweimal abgebrochen, und mein Warenkorb war leer.",
                "Die Website ist auf dem Telefon unübersichtlich.",
                "Meine liebsten Bohnen sind ständig ausverkauft.",
            ),
        },
        ("Placed the order for them.", "Passed it on to whoever looks after the shop's pages."),
    ),
)

_PLEASED = {
    "en": ("", "", "Very happy.", "Great shop!", "I tell all my friends about you."),
    "de": ("", "", "Sehr zufrieden.", "Toller Laden!", "Ich empfehle euch gern weiter."),
}
_DISPLEASED = {
    "en": ("", "", "Disappointed.", "This used to be better.", "I am annoyed."),
    "de": ("", "", "Enttäuschend.", "Das war schon einmal besser.", "Ich ärgere mich."),
}
_BUT = {"en": "But: ", "de": "Aber: "}


def praise(chance: random.Random, language: str, topic: Topic) -> str:
    """What somebody says who is content; now and then about something else as well."""
    said = [chance.choice(_PLEASED[language]), chance.choice(topic.praise[language])]
    other = chance.choice(TOPICS)
    if other is not topic and chance.random() < 0.4:
        said.append(chance.choice(other.praise[language]))
    return " ".join(filter(None, said))


def half_hearted(chance: random.Random, language: str, topic: Topic) -> str:
    """What somebody says who likes the shop, with one thing to complain about."""
    liked = chance.choice([each for each in TOPICS if each is not topic])
    good, bad = chance.choice(liked.praise[language]), chance.choice(topic.complaint[language])
    return f"{good} {_BUT[language]}{bad}"


def complaint(chance: random.Random, language: str, topic: Topic) -> str:
    """What somebody says whom the shop has let down."""
    said = (chance.choice(_DISPLEASED[language]), chance.choice(topic.complaint[language]))
    return " ".join(filter(None, said))
