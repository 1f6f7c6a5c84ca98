//! Title and notes: a person's words go before a provider's.

use super::{
    MergePolicy,
    workout::{Draft, Source},
};

/// Times of day, as providers begin titles.
const TIMES: &[&str] = &[
    "morning",
    "lunch",
    "midday",
    "noon",
    "afternoon",
    "evening",
    "night",
    "early",
    "late",
    "mittag",
    "mittags",
    "nachmittag",
    "nachmittags",
    "abend",
    "abends",
    "morgen",
    "morgens",
    "vormittag",
    "nacht",
    "nachts",
    "frühe",
    "matin",
    "midi",
    "soir",
    "soirée",
    "nuit",
    "après-midi",
    "matinale",
    "mañana",
    "mediodía",
    "tarde",
    "noche",
    "mattutina",
    "pomeridiana",
    "serale",
    "notturna",
];

/// Kinds of exercise, as providers end titles.
const SPORTS: &[&str] = &[
    "run",
    "running",
    "jog",
    "jogging",
    "ride",
    "cycling",
    "bike",
    "biking",
    "ebike",
    "walk",
    "walking",
    "hike",
    "hiking",
    "swim",
    "swimming",
    "workout",
    "activity",
    "exercise",
    "training",
    "strength",
    "yoga",
    "pilates",
    "row",
    "rowing",
    "hiit",
    "elliptical",
    "cardio",
    "lauf",
    "laufen",
    "radfahrt",
    "radfahren",
    "fahrt",
    "spaziergang",
    "wanderung",
    "schwimmen",
    "gehen",
    "aktivität",
    "morgenlauf",
    "abendlauf",
    "mittagslauf",
    "nachmittagslauf",
    "course",
    "sortie",
    "vélo",
    "marche",
    "randonnée",
    "natation",
    "entraînement",
    "activité",
    "carrera",
    "vuelta",
    "ciclista",
    "caminata",
    "natación",
    "entrenamiento",
    "corsa",
    "giro",
    "camminata",
    "nuoto",
    "allenamento",
];

/// Words between them.
const OTHERS: &[&str] = &[
    "am",
    "in",
    "der",
    "zur",
    "le",
    "la",
    "l",
    "de",
    "du",
    "à",
    "pied",
    "en",
    "por",
    "a",
    "outdoor",
    "indoor",
    "pool",
    "open",
    "water",
    "trail",
    "treadmill",
    "virtual",
    "weight",
    "gravel",
    "mountain",
    "road",
    "untitled",
    "the",
];

/// Chooses title and notes.
pub(super) fn choose(sources: &[Source<'_>], policy: &MergePolicy, draft: &mut Draft) {
    title(sources, policy, draft);
    notes(sources, policy, draft);
}

fn title(sources: &[Source<'_>], policy: &MergePolicy, draft: &mut Draft) {
    let text = |it: &Source<'_>| it.workout.title.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let named = |it: &Source<'_>| policy.fields.get("title").is_some_and(|prefer| prefer.names(&it.record.origin));
    let candidates: Vec<(usize, String)> = sources.iter().map(text).enumerate().filter(|it| !it.1.is_empty()).collect();
    let preferred = candidates.iter().find(|it| named(&sources[it.0]));
    let in_words = candidates.iter().find(|it| !is_automatic(&it.1));
    let Some(first) = candidates.first() else {
        if draft.workout.title.is_some() {
            draft.note("title", sources[0].index, "only_source", "empty");
        }
        return;
    };
    let (best, rule) = match (preferred, in_words) {
        (Some(it), _) => (it, "priority"),
        _ if candidates.len() == 1 => (first, "only_source"),
        _ if candidates.iter().all(|it| it.1 == first.1) => (first, "agreed"),
        (None, Some(it)) if it.0 != first.0 => (it, "persons_words"),
        _ => (first, "first_source"),
    };
    let note = if is_automatic(&best.1) { "a provider's title" } else { "a title in the person's words" };
    if best.0 != 0 && draft.workout.title.as_deref() != Some(&best.1) {
        draft.workout.title = Some(best.1.clone());
        draft.is_changed = true;
    }
    draft.note("title", sources[best.0].index, rule, note);
}

/// Whether a title is made of the time of day and the kind of exercise only, as providers make them.
fn is_automatic(title: &str) -> bool {
    let title = title.to_lowercase();
    let words = || title.split(|it: char| !it.is_alphanumeric() && it != '-').filter(|it| !it.is_empty());
    let is_known = |it: &str| TIMES.contains(&it) || SPORTS.contains(&it) || OTHERS.contains(&it) || is_number(it);
    words().all(is_known) && words().count() <= 6 && words().any(|it| !OTHERS.contains(&it) || it == "untitled")
}

fn is_number(word: &str) -> bool {
    word.chars().all(|it| it.is_ascii_digit() || it == '-')
}

/// The notes of all sources, each once.
fn notes(sources: &[Source<'_>], policy: &MergePolicy, draft: &mut Draft) {
    let text = |it: &Source<'_>| it.workout.notes.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let named = |it: &Source<'_>| policy.fields.get("notes").is_some_and(|prefer| prefer.names(&it.record.origin));
    let preferred = sources.iter().position(|it| named(it) && !text(it).is_empty());
    let mut joined: Vec<(usize, String)> = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let text = text(source);
        let is_there = joined.iter().any(|it| it.1.contains(&text));
        if !text.is_empty() && !is_there && preferred.is_none_or(|it| it == place) {
            joined.push((place, text));
        }
    }
    let Some(first) = joined.first().map(|it| it.0) else {
        if draft.workout.notes.is_some() {
            draft.note("notes", sources[0].index, "only_source", "empty");
        }
        return;
    };
    let providers: Vec<&str> = joined.iter().map(|it| sources[it.0].record.origin.provider.as_str()).collect();
    let n_with_notes = sources.iter().filter(|it| !text(it).is_empty()).count();
    let (rule, note) = match (preferred, joined.len(), n_with_notes) {
        (Some(_), _, _) => ("priority", "named in the person's policy".to_owned()),
        (None, 1, 1) => ("only_source", "no other source has notes".to_owned()),
        (None, 1, _) => ("agreed", "the other sources' notes are in it".to_owned()),
        _ => ("joined", format!("the notes of {}", providers.join(", "))),
    };
    if joined.len() > 1 || first != 0 {
        let texts: Vec<String> = joined.into_iter().map(|it| it.1).collect();
        let text = texts.join("\n\n");
        draft.is_changed |= draft.workout.notes.as_deref() != Some(&text);
        draft.workout.notes = Some(text);
    }
    draft.note("notes", sources[first].index, rule, note);
}

#[cfg(test)]
mod tests {
    use super::is_automatic;

    #[track_caller]
    fn check(titles: &[&str], expected: bool) {
        for title in titles {
            assert_eq!(is_automatic(title), expected, "{title}");
        }
    }

    #[test]
    fn a_title_of_time_of_day_and_sport_is_a_providers() {
        check(&["Morning Run", "Afternoon Ride", "Lauf am Morgen", "Workout", "untitled", "Running 2026-05-03"], true);
        check(&["Trail Running", "Course à pied le matin", "Evening Strength Training"], true);
    }

    #[test]
    fn a_title_with_any_other_word_is_the_persons() {
        check(&["Long run", "With Anna", "Berlin Marathon", "Easy ride, coffee", "5 x 1000", ""], false);
    }
}
