//! How a moment reads where the customer is: the names, the order of fields
//! and the 12- or 24-hour clock by locale (ICU4X), the hour by time zone (the
//! tz database compiled in, so that no file is read and every machine agrees).

use std::cell::{LazyCell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;

use icu::calendar::{Date, Gregorian};
use icu::datetime::fieldsets::{E, MD, T, YMD};
use icu::datetime::input::Time as ClockTime;
use icu::datetime::{DateTimeFormatter, NoCalendarFormatter};
use icu::locale::{LanguageIdentifier, Locale, LocaleExpander, TransformResult, locale};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::clock::Time;

/// Most characters of a locale's tag.
pub const MAX_LOCALE_LENGTH: usize = 35;
/// Most characters of a time zone's name.
pub const MAX_TIME_ZONE_LENGTH: usize = 64;

/// Days beyond which a weekday's name could mean another week.
const WEEKDAY_DAYS: i64 = 6;

/// Whether `tag` is a BCP 47 language tag whose language is known, such as `en-GB`.
pub fn valid_locale(tag: &str) -> bool {
    known_locale(tag).is_some()
}

/// Whether `name` is in the IANA time zone database, such as `Europe/Berlin`.
pub fn valid_time_zone(name: &str) -> bool {
    known_time_zone(name).is_some()
}

fn known_locale(tag: &str) -> Option<Locale> {
    if tag.len() > MAX_LOCALE_LENGTH {
        return None;
    }
    let locale = Locale::try_from_str(tag).ok()?;
    // Only a language with data of its own finds its likely script and region.
    let mut language = LanguageIdentifier::from(locale.id.language);
    let known = !locale.id.language.is_unknown()
        && LocaleExpander::new_common().maximize(&mut language) == TransformResult::Modified;
    known.then_some(locale)
}

fn known_time_zone(name: &str) -> Option<TimeZone> {
    static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    if name.len() > MAX_TIME_ZONE_LENGTH {
        return None;
    }
    ZONES.get(name).ok()
}

/// How one locale tells moments.
struct Formats {
    locale: Locale,
    weekday: Option<DateTimeFormatter<E>>,
    hour: Option<NoCalendarFormatter<T>>,
    day: Made<MD>,
    dated: Made<YMD>,
    /// The seven weekdays from Monday on, as they were told.
    weekdays: [Told; 7],
    /// The minutes of a day, as they were told: some 60 KB once all were.
    minutes: Box<[Told]>,
}

/// What was told once is told again: formatting it takes longer than the rest of a line.
type Told = OnceCell<Option<String>>;

/// A day's minutes; where clocks go back, two hours read alike.
const MINUTES: usize = 24 * 60;

/// A format that is made when it is first needed.
type Made<F> =
    LazyCell<Option<DateTimeFormatter<F>>, Box<dyn FnOnce() -> Option<DateTimeFormatter<F>>>>;

/// Locales whose formats a thread keeps; few tenants speak more.
const MOST_LOCALES: usize = 32;

impl Formats {
    /// Making them costs more than all the rest of a brief: each thread keeps those it made.
    fn of(tag: &str) -> Rc<Self> {
        thread_local! {
            static KEPT: RefCell<HashMap<String, Rc<Formats>>> = RefCell::default();
        }
        KEPT.with_borrow_mut(|kept| {
            if let Some(formats) = kept.get(tag) {
                return Rc::clone(formats);
            }
            if kept.len() >= MOST_LOCALES {
                kept.clear();
            }
            let formats = Rc::new(Self::make(tag));
            kept.insert(tag.to_owned(), Rc::clone(&formats));
            formats
        })
    }

    fn make(tag: &str) -> Self {
        let locale = known_locale(tag).unwrap_or(locale!("en-US"));
        let weekday = DateTimeFormatter::try_new((&locale).into(), E::short()).ok();
        let hour = NoCalendarFormatter::try_new((&locale).into(), T::hm()).ok();
        let (one, other) = (locale.clone(), locale.clone());
        let day: Made<MD> = LazyCell::new(Box::new(move || {
            DateTimeFormatter::try_new((&one).into(), MD::medium()).ok()
        }));
        let dated: Made<YMD> = LazyCell::new(Box::new(move || {
            DateTimeFormatter::try_new((&other).into(), YMD::medium()).ok()
        }));
        let (weekdays, minutes) = (Default::default(), vec![Told::new(); MINUTES].into());
        Self { locale, weekday, hour, day, dated, weekdays, minutes }
    }

    fn weekday(&self, then: DateTime) -> Option<&str> {
        let told = &self.weekdays[then.weekday().to_monday_zero_offset() as usize];
        let tell = || Some(self.weekday.as_ref()?.format(&gregorian(then)?).to_string());
        told.get_or_init(|| tell().as_deref().map(plain_spaces)).as_deref()
    }

    fn clock(&self, then: DateTime) -> Option<&str> {
        let (hour, minute) = (then.hour() as u8, then.minute() as u8);
        let tell = || {
            let clock = ClockTime::try_new(hour, minute, 0, 0).ok()?;
            Some(self.hour.as_ref()?.format(&clock).to_string())
        };
        let told = &self.minutes[usize::from(hour) * 60 + usize::from(minute)];
        told.get_or_init(|| tell().as_deref().map(plain_spaces)).as_deref()
    }
}

/// A locale and a time zone to tell moments in, as seen from a present.
pub(super) struct Calendar {
    formats: Rc<Formats>,
    zone: TimeZone,
    now: DateTime,
}

impl Calendar {
    /// An unknown locale counts as `en-US`, an unknown time zone as UTC.
    pub(super) fn new(locale: &str, time_zone: &str, now: Time) -> Self {
        let zone = known_time_zone(time_zone).unwrap_or(TimeZone::UTC);
        let now = civil(now, &zone);
        Self { formats: Formats::of(locale), zone, now }
    }

    /// The language's subtag, such as `de`.
    pub(super) fn language(&self) -> &str {
        self.formats.locale.id.language.as_str()
    }

    /// Weekday and time within six days, else the date, with the year when it is not this one.
    pub(super) fn tell(&self, time: Time) -> String {
        let then = civil(time, &self.zone);
        let days = day_number(self.now) - day_number(then);
        let told = if (0..=WEEKDAY_DAYS).contains(&days) {
            self.weekday_and_time(then)
        } else {
            self.date(then)
        };
        // ICU4X knows every date jiff has; were that to change, the plain date is still right.
        told.unwrap_or_else(|| then.date().to_string())
    }

    /// Weekday and time, also of a moment to come: for what is hardly more than a day away.
    pub(super) fn tell_near(&self, time: Time) -> String {
        let then = civil(time, &self.zone);
        let days = (day_number(self.now) - day_number(then)).abs();
        if days > WEEKDAY_DAYS {
            return self.tell(time);
        }
        self.weekday_and_time(then).unwrap_or_else(|| then.date().to_string())
    }

    fn weekday_and_time(&self, then: DateTime) -> Option<String> {
        Some([self.formats.weekday(then)?, self.formats.clock(then)?].join(" "))
    }

    fn date(&self, then: DateTime) -> Option<String> {
        let date = gregorian(then)?;
        if then.year() == self.now.year() {
            return Some(plain_spaces(&self.formats.day.as_ref()?.format(&date).to_string()));
        }
        Some(plain_spaces(&self.formats.dated.as_ref()?.format(&date).to_string()))
    }
}

/// The wall clock in `zone`; a moment beyond the calendar's ends counts as its end.
fn civil(time: Time, zone: &TimeZone) -> DateTime {
    let end = if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    zone.to_datetime(Timestamp::from_millisecond(time.0).unwrap_or(end))
}

/// Days since some fixed day.
fn day_number(at: DateTime) -> i64 {
    let since = at.date().duration_since(jiff::civil::Date::ZERO);
    since.as_hours() / 24
}

fn gregorian(at: DateTime) -> Option<Date<Gregorian>> {
    Date::try_new_gregorian(at.year().into(), at.month() as u8, at.day() as u8).ok()
}

/// The typographer's narrow and unbreakable spaces, which a terminal or a speaking machine may not know.
fn plain_spaces(text: &str) -> String {
    text.replace(['\u{202f}', '\u{a0}'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DAY;
    use crate::context::sample::MONDAY;

    fn told(locale: &str, zone: &str, time: Time, now: Time) -> String {
        Calendar::new(locale, zone, now).tell(time)
    }

    #[test]
    fn weekday_and_time_are_told_the_locales_way() {
        let now = MONDAY.plus(2 * DAY);
        for (locale, expected) in [
            ("en-US", "Mon 2:00 PM"),
            ("en-GB", "Mon 14:00"),
            ("de-DE", "Mo 14:00"),
            ("fr", "lun. 14:00"),
            ("es-ES", "lun 14:00"),
            ("ja", "月 14:00"),
        ] {
            assert_eq!(told(locale, "UTC", MONDAY, now), expected, "{locale}");
        }
    }

    #[test]
    fn the_hour_and_the_day_are_the_zones() {
        let now = MONDAY.plus(DAY);
        assert_eq!(told("en-US", "America/New_York", MONDAY, now), "Mon 9:00 AM");
        assert_eq!(told("en-US", "Asia/Tokyo", MONDAY.plus(DAY / 2), now), "Tue 11:00 AM");
        assert_eq!(told("en-US", "Nowhere/Atlantis", MONDAY, now), "Mon 2:00 PM");
    }

    #[test]
    fn beyond_six_days_it_is_a_date_and_beyond_the_year_the_year_too() {
        assert_eq!(told("en-US", "UTC", MONDAY, MONDAY), "Mon 2:00 PM");
        assert_eq!(told("en-US", "UTC", MONDAY, MONDAY.plus(6 * DAY)), "Mon 2:00 PM");
        // Seven days back by the calendar, though less than seven times 24 hours.
        let six_and_a_half = MONDAY.plus(6 * DAY + DAY / 2);
        assert_eq!(told("en-US", "UTC", MONDAY, six_and_a_half), "Nov 3");
        for (locale, this_year, another) in [
            ("en-US", "Nov 3", "Nov 3, 2025"),
            ("en-GB", "3 Nov", "3 Nov 2025"),
            ("de", "3. Nov.", "03.11.2025"),
            ("fr-FR", "3 nov.", "3 nov. 2025"),
        ] {
            assert_eq!(told(locale, "UTC", MONDAY, MONDAY.plus(10 * DAY)), this_year, "{locale}");
            assert_eq!(told(locale, "UTC", MONDAY, MONDAY.plus(100 * DAY)), another, "{locale}");
        }
        assert_eq!(told("en-US", "UTC", MONDAY, MONDAY.plus(-DAY)), "Nov 3", "yet to come");
        let soon = |now| Calendar::new("en-US", "UTC", now).tell_near(MONDAY);
        assert_eq!(soon(MONDAY.plus(-DAY)), "Mon 2:00 PM", "yet to come, and near");
        assert_eq!(soon(MONDAY.plus(-7 * DAY)), "Nov 3");
        assert_eq!(soon(MONDAY.plus(10 * DAY)), "Nov 3");
    }

    #[test]
    fn locales_and_zones_are_known_or_not() {
        for tag in ["en", "en-US", "de-AT", "zh-Hant-TW", "pt-BR", "fr-u-hc-h12", "EN-us"] {
            assert!(valid_locale(tag), "{tag}");
        }
        let long = format!("en-{}", "x".repeat(MAX_LOCALE_LENGTH));
        for tag in ["", "und", "xx", "english", "e", "en US", "en-", "☃", &long] {
            assert!(!valid_locale(tag), "{tag}");
        }
        for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "europe/paris"] {
            assert!(valid_time_zone(name), "{name}");
        }
        let long = "Europe/Berlin".repeat(9);
        for name in ["", "Berlin", "+02:00", "../etc/passwd", "Europe/", "☃", &long] {
            assert!(!valid_time_zone(name), "{name}");
        }
    }
}
