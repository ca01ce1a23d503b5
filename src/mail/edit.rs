//! What people do with stored messages: mark, tag, delete. The store first, then everybody is told.

use std::sync::Arc;

use super::{Mail, Scope};
use crate::{
    bus::{Bus, Event, What},
    id::MessageId,
    store::{Change, Error, RetentionLimits, Selection},
};

impl Mail {
    /// Marks or tags; returns how many messages changed.
    pub async fn change(
        &self,
        scope: &Scope,
        which: Selection,
        change: Change,
    ) -> Result<usize, Error> {
        let which = self.narrow_selection(scope, which).await?;
        let guard = DirtyOnDrop(&self.0.bus);
        let changed = self.0.store.change(which, change.clone()).await?;
        guard.resolve();
        match changed.len() {
            0 => {}
            1..=EVENT_IDS => {
                let what = What::Marked(change);
                self.0.bus.publish(Event::Changed { ids: changed.as_slice().into(), what });
            }
            _ => self.0.bus.publish(Event::Reload),
        }
        Ok(changed.len())
    }

    /// Deletes; returns how many messages are gone.
    pub async fn delete(&self, scope: &Scope, which: Selection) -> Result<u64, Error> {
        let which = self.narrow_selection(scope, which).await?;
        let event = match &which {
            Selection::Ids(ids) if ids.len() <= EVENT_IDS => {
                Event::Deleted { ids: ids.as_slice().into() }
            }
            Selection::All => Event::Emptied,
            _ => Event::Reload,
        };
        let guard = DirtyOnDrop(&self.0.bus);
        let deleted = self.0.store.delete(which).await?;
        guard.resolve();
        if deleted > 0 {
            self.0.bus.publish(event);
        }
        Ok(deleted)
    }

    /// Takes these messages out of the mailbox that the scope is; those that are in no other are deleted.
    /// Without a mailbox all of them are. Returns how many it were.
    pub async fn leave(&self, scope: &Scope, ids: Vec<MessageId>) -> Result<u64, Error> {
        let Scope::Mailbox(mailbox) = scope else {
            return self.delete(scope, Selection::Ids(ids)).await;
        };
        let guard = DirtyOnDrop(&self.0.bus);
        let left = self.0.store.leave(ids, mailbox.clone()).await?;
        guard.resolve();
        let told = [(&left.ids, false), (&left.deleted, true)];
        for (ids, is_deleted) in told.into_iter().filter(|(ids, _)| !ids.is_empty()) {
            let ids: Arc<[_]> = ids.as_slice().into();
            self.0.bus.publish(match is_deleted {
                _ if ids.len() > EVENT_IDS => Event::Reload,
                true => Event::Deleted { ids },
                false => Event::Changed { ids, what: What::Left(mailbox.clone()) },
            });
        }
        Ok((left.ids.len() + left.deleted.len()) as u64)
    }

    /// Deletes what retention does not keep; returns how many messages are gone. It has no scope, for it is the
    /// clock that asks.
    pub async fn prune(&self, keep: RetentionLimits) -> Result<u64, Error> {
        let guard = DirtyOnDrop(&self.0.bus);
        let deleted = self.0.store.prune(keep).await?;
        guard.resolve();
        if deleted > 0 {
            self.0.bus.publish(Event::Reload);
        }
        Ok(deleted)
    }
}

/// A change under way. It is made in pieces, so when it fails, or when who asked for it went away and
/// dropped the question, some of it may have happened: then everybody looks again.
struct DirtyOnDrop<'a>(&'a Bus);

impl DirtyOnDrop<'_> {
    /// It is known how it ended.
    fn resolve(self) {
        std::mem::forget(self);
    }
}

impl Drop for DirtyOnDrop<'_> {
    fn drop(&mut self) {
        self.0.publish(Event::Reload);
    }
}

/// Up to so many ids are told one by one; above that, everybody looks again.
const EVENT_IDS: usize = 200;

#[cfg(test)]
mod tests {
    use smol::future::{block_on, poll_once};

    use super::*;
    use crate::{
        bus::Heard,
        message::Summary,
        store,
        wire::{Envelope, ForwardPath},
    };

    #[test]
    fn a_change_of_many_is_one_event() {
        let store = store::Options { kind: store::Kind::Memory, ..store::Options::default() };
        let (store, bus) = (store::open(&store).unwrap(), Bus::new(8));
        let mail = Mail::new(store.clone(), bus.clone());
        block_on(async {
            for (count, change, is_named) in
                [(EVENT_IDS, Change::Starred(true), true), (1, Change::Read(true), false)]
            {
                for _ in 0..count {
                    let draft = store.begin().await.unwrap();
                    draft.commit(Envelope::default(), Summary::default()).await.unwrap();
                }
                let mut news = bus.subscribe(None);
                mail.change(&Scope::All, Selection::All, change).await.unwrap();
                let Some(Heard::Events(_, events)) = news.try_next(1) else { panic!("no news") };
                assert_eq!(matches!(events[..], [Event::Changed { .. }]), is_named);
            }
        });
    }

    #[test]
    fn who_goes_away_half_way_leaves_nobody_with_old_news() {
        let folder = tempfile::tempdir().unwrap();
        let options = store::Options { path: folder.path().into(), ..store::Options::default() };
        let (store, bus) = (store::open(&options).unwrap(), Bus::new(8));
        let mail = Mail::new(store.clone(), bus.clone());
        let mut news = bus.subscribe(None);
        block_on(async {
            let draft = store.begin().await.unwrap();
            draft.commit(Envelope::default(), Summary::default()).await.unwrap();
            let mut deleting = Box::pin(mail.delete(&Scope::All, Selection::All));
            // It is on its way to the store, and who asked hangs up.
            assert!(poll_once(&mut deleting).await.is_none());
            while store.counts().await.unwrap().messages > 0 {}
            drop(deleting);
        });
        let Some(Heard::Events(_, events)) = news.try_next(9) else { panic!("no news") };
        assert!(matches!(events[..], [Event::Reload]), "{events:?}");
    }

    #[test]
    fn an_event_says_what_was_done() {
        let store = store::Options { kind: store::Kind::Memory, ..store::Options::default() };
        let (store, bus) = (store::open(&store).unwrap(), Bus::new(8));
        let mail = Mail::new(store.clone(), bus.clone());
        block_on(async {
            let mut ids = Vec::new();
            for _ in 0..3 {
                let draft = store.begin().await.unwrap();
                ids.push(draft.commit(Envelope::default(), Summary::default()).await.unwrap().id);
            }
            let [one, two, _] = ids[..] else { panic!("three") };
            let paths = ["ann@b.example", "bob@b.example"]
                .map(|path| ForwardPath { address: path.into(), parameters: Vec::new() });
            let envelope = Envelope { forward_paths: paths.into(), ..Envelope::default() };
            let draft = store.begin().await.unwrap();
            let of_both = draft.commit(envelope, Summary::default()).await.unwrap().id;
            let mut news = bus.subscribe(None);
            for change in [Change::Tag("T".into()), Change::Starred(true)] {
                let both = Selection::Ids(vec![one, two]);
                mail.change(&Scope::All, both, change.clone()).await.unwrap();
                let Some(Heard::Events(_, events)) = news.try_next(9) else { panic!("no news") };
                assert!(matches!(&events[..], [Event::Changed { ids, what }]
                    if ids[..] == [one, two] && *what == What::Marked(change.clone())));
            }
            let ann = Scope::Mailbox("ann@b.example".into());
            mail.leave(&ann, vec![of_both]).await.unwrap();
            let Some(Heard::Events(_, events)) = news.try_next(9) else { panic!("no news") };
            assert!(matches!(&events[..], [Event::Changed { ids, what: What::Left(mailbox) }]
                if ids[..] == [of_both] && mailbox == "ann@b.example"));
            mail.delete(&Scope::All, Selection::Ids(vec![one])).await.unwrap();
            mail.delete(&Scope::All, Selection::All).await.unwrap();
            // Nothing was there any more.
            mail.delete(&Scope::All, Selection::All).await.unwrap();
            let Some(Heard::Events(_, events)) = news.try_next(9) else { panic!("no news") };
            assert!(matches!(&events[..], [Event::Deleted { ids }, Event::Emptied]
                if ids[..] == [one]));
        });
    }
}
