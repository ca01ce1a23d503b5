//! What other instances do to the same messages becomes an event here, like what was done here.

use std::sync::Arc;

use smol::{channel::Receiver, future};

use crate::{
    bus::{Bus, Event},
    shutdown::Shutdown,
    store::News,
};

/// Publishes the news of a store until shutdown begins; most stores have none.
pub async fn run(news: Option<Receiver<News>>, bus: Arc<Bus>, shutdown: Shutdown) {
    let Some(news) = news else { return shutdown.begun().await };
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
