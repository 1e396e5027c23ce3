//! The portable part of cron's language: what all implementations take, and take alike.

use crate::refresh::limits::quoted;

/// One of the five fields.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    /// Names of its values, from `min` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of the month", min: 1, max: 31, names: &[] },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    },
    Field { name: "weekday", min: 0, max: 6, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] },
];

const NICKNAMES: [(&str, &str); 5] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
];

/// The longest expression, in bytes.
const LONGEST: usize = 128;
/// How much of it a message quotes, in bytes.
const SHOWN: usize = 32;
/// The days that each month can have.
const DAYS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// An expression that was checked.
#[derive(Debug)]
pub(super) struct Expression {
    /// The five fields as every implementation reads them.
    pub(super) text: String,
    /// The values of each field, as bits.
    values: [u64; 5],
    /// Whether each field is `*`.
    any: [bool; 5],
}

impl Expression {
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} characters"));
        }
        let nickname = NICKNAMES.iter().find(|(nickname, _)| *nickname == text);
        if text.starts_with('@') && nickname.is_none() {
            return Err("write one of @hourly, @daily, @weekly, @monthly and @yearly, or five fields".to_owned());
        }
        let fields: Vec<&str> = nickname.map_or(text, |(_, fields)| fields).split_ascii_whitespace().collect();
        let Ok(fields) = <[&str; 5]>::try_from(fields) else {
            return Err("write five fields: minute, hour, day of the month, month and weekday; the zone belongs \
                        into spec.schedule.timeZone"
                .to_owned());
        };
        // What steps by one is no different from what does not step, but some implementations make a difference.
        let fields = fields.map(|field| if field == "*/1" { "*" } else { field });
        let mut values = [0; 5];
        for ((bits, field), text) in values.iter_mut().zip(&FIELDS).zip(fields) {
            *bits = field.parse(text)?;
        }
        Ok(Self { text: fields.join(" ").to_ascii_uppercase(), values, any: fields.map(|field| field == "*") })
    }

    /// Whether there is no day that it means.
    pub(super) fn is_never(&self) -> bool {
        let ([_, _, days, months, _], [_, _, any_day, _, any_weekday]) = (self.values, self.any);
        let fits = |(month, length): (u8, &u8)| has(months, month) && (1..=*length).any(|day| has(days, day));
        !any_day && any_weekday && !(1..).zip(&DAYS).any(fits)
    }

    /// The shortest time between two ticks of one day and the next, in minutes.
    pub(super) fn shortest_minutes(&self) -> u16 {
        const DAY: u16 = 24 * 60;
        let [minutes, hours, ..] = self.values;
        let of_hour = |hour: u8| (0..60).filter(|minute| has(minutes, *minute)).map(move |minute| (hour, minute));
        let ticks = (0..24).filter(|hour| has(hours, *hour)).flat_map(of_hour);
        let ticks: Vec<u16> = ticks.map(|(hour, minute)| u16::from(hour) * 60 + u16::from(minute)).collect();
        let next_day = ticks.first().map(|first| first + DAY);
        let after = ticks.iter().skip(1).copied().chain(next_day);
        ticks.iter().zip(after).map(|(tick, next)| next - tick).min().unwrap_or(DAY)
    }
}

fn has(bits: u64, value: u8) -> bool {
    bits >> value & 1 == 1
}

impl Field {
    /// The values that `text` means, as bits.
    fn parse(&self, text: &str) -> Result<u64, String> {
        if text == "*" {
            return Ok(self.bits(self.min, self.max, 1));
        }
        text.split(',').map(|item| self.item(item)).try_fold(0, |all, bits| Ok(all | bits?))
    }

    /// A value, a range or a step.
    fn item(&self, text: &str) -> Result<u64, String> {
        let (range, step) = text.split_once('/').map_or((text, None), |(range, step)| (range, Some(step)));
        let step = match step.map(str::parse::<u8>) {
            None => 1,
            Some(Ok(step)) if (1..=self.max).contains(&step) => step,
            Some(_) => return Err(self.refuse(text)),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" && text != "*" => (self.min, self.max),
            Some((first, last)) => (self.value(first, text)?, self.value(last, text)?),
            None if text == range => (self.value(range, text)?, self.value(range, text)?),
            None => return Err(self.refuse(text)),
        };
        if first > last {
            let name = self.name;
            return Err(format!(
                "the range {} of its {name} ends before it begins: write it as two",
                quoted(text, SHOWN)
            ));
        }
        Ok(self.bits(first, last, step))
    }

    fn value(&self, text: &str, item: &str) -> Result<u8, String> {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| text.parse::<u8>().ok()).flatten();
        let named = || self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = number.or_else(|| named().and_then(|index| u8::try_from(index).ok()).map(|index| index + self.min));
        value.filter(|value| (self.min..=self.max).contains(value)).ok_or_else(|| self.refuse(item))
    }

    fn bits(&self, first: u8, last: u8, step: u8) -> u64 {
        (first..=last).step_by(usize::from(step)).fold(0, |bits, value| bits | 1 << value)
    }

    fn refuse(&self, text: &str) -> String {
        let Self { name, min, max, names } = self;
        let names = match (names.first(), names.last()) {
            (Some(first), Some(last)) => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        format!(
            "{} is no {name}: write *, a value from {min} to {max}{names}, a range a-b, a step */n or a-b/n, or a list of these",
            quoted(text, SHOWN)
        )
    }
}
