"""Money: a decimal string and an ISO 4217 code, never a float."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from app.kit.schemas import Input, Output

# Minor units of the ISO 4217 list (amendment 176); every code that is not listed here has two.
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
    "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU "
    "MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR "
    "SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED "
    "VES WST XCD XCG YER ZAR ZMW ZWG"
)
MINOR_UNITS = (
    dict.fromkeys(_TWO_DECIMALS.split(), 2)
    | dict.fromkeys(_NO_DECIMALS.split(), 0)
    | dict.fromkeys(_THREE_DECIMALS.split(), 3)
)


def _known(code: str) -> str:
    if code not in MINOR_UNITS:
        raise PydanticCustomError("unknown_currency", "must be an ISO 4217 currency code such as EUR")
    return code


Currency = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_known), Field(examples=["EUR"])
]
Amount = Annotated[
    str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,3})?$"), Field(examples=["49.90"])
]


class MoneyInput(Input):
    """An amount of one currency. The amount is a string so that no client rounds it."""

    amount: Amount = Field(description="Decimal string with at most the decimals of its currency.")
    currency: Currency = Field(description="ISO 4217 code.")

    @model_validator(mode="after")
    def _fits_currency(self) -> "MoneyInput":
        decimals = len(self.amount.partition(".")[2])
        if decimals > MINOR_UNITS[self.currency]:
            raise PydanticCustomError("too_many_decimals", "has more decimals than its currency")
        return self

    @property
    def decimal(self) -> Decimal:
        return Decimal(self.amount)


class Money(Output):
    """An amount of one currency."""

    amount: str = Field(description="Decimal string with the decimals of its currency.", examples=["49.90"])
    currency: str = Field(description="ISO 4217 code.", examples=["EUR"])

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> "Money":
        return cls(amount=money_text(amount, currency), currency=currency)


def money_text(amount: Decimal, currency: str) -> str:
    """`Decimal("49.9")` in EUR is `"49.90"`."""
    return str(amount.quantize(_SMALLEST[MINOR_UNITS[currency]]))


_SMALLEST = tuple(Decimal(1).scaleb(-decimals) for decimals in range(4))
