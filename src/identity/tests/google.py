"""Writes google.txt: what Google's libphonenumber makes of numbers of every region.

    python3 -m venv venv && venv/bin/pip install phonenumbers==9.0.42
    venv/bin/python src/identity/tests/google.py > src/identity/tests/google.txt

The version is that of the metadata in the crate `rlibphonenumber` (its readme names it). Raise both
together, and read what changed: each line that did is somebody's stored key.
"""

import random

import phonenumbers as google
from phonenumbers import PhoneNumberFormat, PhoneNumberType

TYPES = [
    getattr(PhoneNumberType, name)
    for name in (
        "FIXED_LINE MOBILE TOLL_FREE PREMIUM_RATE SHARED_COST VOIP PERSONAL_NUMBER PAGER UAN VOICEMAIL"
    ).split()
]
FORMS = [
    PhoneNumberFormat.E164,
    PhoneNumberFormat.NATIONAL,
    PhoneNumberFormat.INTERNATIONAL,
    PhoneNumberFormat.RFC3966,
]
# possible, only locally, invalid country code, too short, invalid length, too long
REASONS = {0: "P", 4: "L", 1: "C", 2: "S", 5: "I", 3: "X"}
COMPANYS = [
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.UAN,
    PhoneNumberType.VOICEMAIL,
]

# Mobiles of eight digits, and fixed lines, which have eight for good.
OLD_BRAZIL = ["61234567", "71234567", "81234567", "91234567", "21234567", "51234567"]


def e164(number):
    """E.164 with a space after the country code."""
    return "+%d %s" % (number.country_code, google.national_significant_number(number))


def lasting(number):
    """What reading its own E.164 form again and again comes to: some plans strip a prefix twice."""
    for _ in range(4):
        written = e164(number)
        try:
            again = google.parse(written)
        except google.NumberParseException:
            return written, number
        if e164(again) == written:
            break
        number = again
    return e164(number), number


def reading(text, region):
    """E.164, whether it is possible, and V if it is valid, K if a company's; `-` for no number."""
    try:
        number = google.parse(text, region)
    except google.NumberParseException:
        return "-\t"
    first = e164(number)
    written, last = lasting(number)
    reason = REASONS[google.is_possible_number_with_reason(number)]
    valid = "V" if google.is_valid_number(last) else ""
    valid = "K" if google.number_type(last) in COMPANYS else valid
    again = "" if written == first else ">" + written
    return first + again + "\t" + reason + valid


def row(text, region):
    """The text, Google's reading in the region, and of the digits as a number with country code."""
    digits = "".join(it for it in text if it.isdigit())
    fields = [text, reading(text, region)]
    if not text.startswith(("+", "tel:")):
        for prefix in ("00", "011", ""):
            if digits.startswith(prefix):
                fields.append(reading("+" + digits[len(prefix) :], None))
                break
    return "\t".join(fields)


def variants(number, region, dice):
    code, nsn = str(number.country_code), google.national_significant_number(number)
    whole, prefix = code + nsn, google.ndd_prefix_for_region(region, True) or ""
    yield from ("+" + whole[:-1], "+" + whole[:-2], "+" + whole + "7", "+" + whole + "789")
    yield from (prefix + nsn, nsn, whole, "00" + whole, "011" + whole)
    yield "+%s (%s) %s" % (code, prefix + nsn[:2], nsn[2:])
    yield "+%s %s ext. 45" % (code, nsn)
    yield "tel:+%s;ext=181" % whole
    yield from ("+" + code + "1" * len(nsn), "+" + code + prefix + prefix + nsn)
    if region == "BR":
        yield from ("+55" + area + old for area in ("11", "31", "71") for old in OLD_BRAZIL)
        yield from ("(031) " + old for old in OLD_BRAZIL)
    if region == "MX":
        yield from ("+52" + dialled + nsn for dialled in ("1", "01", "044", "045"))
        yield from (dialled + nsn for dialled in ("1", "01", "044", "045"))
    for _ in range(2):
        at = dice.randrange(len(nsn))
        yield "+" + code + nsn[:at] + dice.choice("0123456789") + nsn[at + 1 :]


def texts(region, dice):
    for kind in TYPES:
        number = google.example_number_for_type(region, kind)
        if number is None:
            continue
        for form in FORMS:
            yield google.format_number(number, form)
        if kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            yield from variants(number, region, dice)


def main():
    dice = random.Random(14)
    print("# Written by google.py with the Python package phonenumbers %s." % google.__version__)
    print("# @REGION, then lines of: text, Google's reading, the same of +digits (after 00 or 011).")
    for region in sorted(google.SUPPORTED_REGIONS):
        print("@" + region)
        for text in dict.fromkeys(texts(region, dice)):
            print(row(text, region))
    print("@US")
    for code in sorted(google.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        number = google.example_number_for_non_geo_entity(code)
        for form in FORMS:
            print(row(google.format_number(number, form), "US"))
        for text in dict.fromkeys(variants(number, "US", dice)):
            print(row(text, "US"))


if __name__ == "__main__":
    main()
