//! Keys at hand, for a while: an erased person's key is forgotten here, too, by the end of it.

use super::key::Key;
use schemas::id::Subject;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a key is kept after it was read.
const KEPT_MAX: Duration = Duration::from_secs(5 * 60);

/// The most keys that are kept.
const COUNT_MAX: usize = 10_000;

/// A person's key and its version.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) version: i32,
    pub(super) key: Arc<Key>,
}

/// Keys by person, each with the moment at which it is forgotten.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<Subject, (Held, Instant)>);

impl Cache {
    pub(super) fn get(&mut self, subject: &Subject, now: Instant) -> Option<Held> {
        let (held, until) = self.0.get(subject)?;
        if *until > now {
            return Some(held.clone());
        }
        self.0.remove(subject);
        None
    }

    pub(super) fn put(&mut self, subject: &Subject, held: Held, now: Instant) {
        if self.0.len() >= COUNT_MAX {
            self.0.retain(|_, (_, until)| *until > now);
        }
        if self.0.len() >= COUNT_MAX {
            let oldest = self.0.iter().min_by_key(|it| it.1.1).map(|it| it.0.clone());
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(subject.clone(), (held, now + KEPT_MAX));
    }

    pub(super) fn forget(&mut self, subject: &Subject) {
        self.0.remove(subject);
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, COUNT_MAX, Cache, Duration, Held, Instant, KEPT_MAX, Key, Subject};

    fn held() -> Held {
        Held { version: 1, key: Arc::new(Key::from_bytes(&[7; 32]).unwrap()) }
    }

    #[test]
    fn a_key_is_kept_for_five_minutes() {
        let (mut cache, anna, now) = (Cache::default(), Subject("anna".into()), Instant::now());
        cache.put(&anna, held(), now);
        assert!(cache.get(&anna, now + KEPT_MAX - Duration::from_millis(1)).is_some());
        assert!(cache.get(&anna, now + KEPT_MAX).is_none());
        assert!(cache.0.is_empty(), "a key that is too old is wiped");
    }

    #[test]
    fn the_oldest_key_makes_room() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        let at = |number: usize| start + Duration::from_millis(number.try_into().unwrap());
        for number in 0..=COUNT_MAX {
            cache.put(&Subject(number.to_string()), held(), at(number));
        }
        assert_eq!(cache.0.len(), COUNT_MAX);
        assert!(cache.get(&Subject("0".into()), at(COUNT_MAX)).is_none());
        assert!(cache.get(&Subject("1".into()), at(COUNT_MAX)).is_some());
    }
}
