//! What other instances do to the same messages becomes an event here, like what was done here.

use std::sync::Arc;

use smol::future;

use crate::{
    bus::{Bus, Event},
    shutdown::Shutdown,
    store::{News, Store},
};

/// Publishes the news of a store until shutdown begins; most stores have none.
pub fn run(
    store: &dyn Store,
    bus: Arc<Bus>,
    shutdown: Shutdown,
) -> impl Future<Output = ()> + Send + use<> {
    let news = store.news();
    async move {
        let Some(news) = news else { return };
        let told = async {
            while let Ok(news) = news.recv().await {
                bus.publish(match news {
                    News::New(record) => Event::New(record),
                    News::Deleted(ids) => Event::Deleted(ids.into()),
                    News::Changed(ids) => Event::Changed(ids.into()),
                    News::Missed => Event::Reload,
                });
            }
        };
        future::or(shutdown.begun(), told).await;
    }
}
