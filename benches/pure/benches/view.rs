//! How soon the view of a message is ready: three typical mails of 100 KB, made safe to show.
//!
//! ```text
//! cd benches/pure && cargo bench --bench view
//! ```

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smtpd::message::html::{Options, sanitise};

/// As in the program: a document is thousands of small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// From the text of the HTML to a document for the frame.
fn view(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("view");
    for (name, mail) in MAILS {
        let html = grown(mail);
        group.throughput(Throughput::Bytes(html.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(sanitise(black_box(&html), &Options::default())));
        });
    }
    group.finish();
}

/// A mail whose body says the same until it is large enough.
fn grown(mail: &str) -> String {
    let (before, rest) = mail.split_once("<!-- again -->").expect("where it begins");
    let (again, after) = rest.split_once("<!-- to here -->").expect("where it ends");
    let times = (SIZE - before.len() - after.len()).div_ceil(again.len());
    [before, &again.repeat(times), after].concat()
}

criterion_group!(benches, view);
criterion_main!(benches);

/// Large for a mail.
const SIZE: usize = 100_000;

/// What MJML writes, tables with inline styles, and what Outlook makes of a letter.
const MAILS: [(&str, &str); 3] = [
    ("template", include_str!("../mails/template.html")),
    ("newsletter", include_str!("../mails/newsletter.html")),
    ("letter", include_str!("../mails/letter.html")),
];
