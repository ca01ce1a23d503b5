//! The list: its rows and its left column as pieces, what forms do with picked messages, its weight.

use super::{Server, letter};

#[test]
fn rows_come_alone_and_by_their_ids() {
    let server = Server::start();
    let ids: Vec<_> = (0..60)
        .map(|number| server.deliver("bob@example.com", &letter(&format!("Nr {number:02}."))).id)
        .collect();
    let subjects = |path: &str| -> Vec<String> {
        let page = server.get(path).expect(200);
        page.text().split("Nr ").skip(1).map(|rest| rest[..2].to_owned()).collect()
    };
    assert_eq!(subjects("/rows").len(), 50);
    assert!(server.get("/rows").text().contains("<ul data-more=\"true\">"));
    assert_eq!(subjects(&format!("/rows?before={}", ids[2])), ["01", "00"]);
    assert!(server.get(&format!("/rows?before={}", ids[2])).text().contains("data-more=\"false\""));
    assert_eq!(subjects(&format!("/rows?ids={},{}", ids[7], ids[3])), ["07", "03"]);
    assert_eq!(subjects("/rows?ids=000000000000000000000000"), [""; 0]);
    server.get("/rows?ids=x").expect(400);
    server.get("/rows?before=x").expect(400);
    server.get("/rows?q=is%3Agreen").expect(400);
}

#[test]
fn mailboxes_are_listed_below_their_domains() {
    let server = Server::start();
    for to in ["bob@example.com", "bob@example.com", "ann@b.example", "postmaster"] {
        server.deliver(to, &letter("Hi"));
    }
    let page = server.get("/boxes?mailbox=Bob%40Example.com").expect(200);
    let text = page.text();
    assert!(!text.contains("<html"));
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
    assert!(at("(no domain)") < at("/?q=domain%3A%22b%2Eexample%22"));
    assert!(at("data-mailbox=\"ann@b.example\"") < at("data-mailbox=\"bob@example.com\""));
    assert!(text.contains("title=\"bob@example.com: 2 messages\" aria-current=\"page\""));
    assert!(
        server.get("/?mailbox=bob%40example.com").text().contains("\"messages\">2 messages</span>")
    );
}

#[test]
fn forms_do_things_with_what_is_picked() {
    let server = Server::start();
    let mut ids = (0..4).map(|_| server.deliver("bob@example.com", &letter("Hi")).id.to_string());
    let [a, b, c, d] = std::array::from_fn(|_| ids.next().unwrap());
    let post = |form: &str| server.client().post("/messages", form);
    let starred = || -> Vec<bool> { server.shelf.records().iter().map(|it| it.starred).collect() };

    // As a browser without scripts sends it: each box that is ticked.
    let back = post(&format!("q=x&before={a}&only=picked&id={a}&id={c}&action=star")).expect(303);
    assert_eq!(back.header("location"), format!("/?q=x&before={a}"));
    assert_eq!(starred(), [true, false, true, false]);
    // The button of a row means that row, whatever else is ticked.
    post(&format!("only=picked&one=unstar+{c}&id={a}&id={b}")).expect(303);
    assert_eq!(starred(), [true, false, false, false]);
    // Nothing ticked is nothing, not everything.
    post("only=picked&action=delete").expect(303);
    assert_eq!(server.shelf.records().len(), 4);

    // As a script sends it.
    let accept = [("Accept", "application/json")];
    let form = format!("only=picked&ids={b},{d}&action=tag&tag=work");
    let told = server.client().request("POST", "/messages", &accept, &form).expect(200);
    assert_eq!(told.text(), "{\"changed\":2}\n");
    assert_eq!(server.shelf.records()[1].tags, ["work"]);
    post(&format!("id={b}&action=untag&tag=work")).expect(303);
    assert!(server.shelf.records()[1].tags.is_empty());

    for bad in [
        "only=picked&action=tag&tag=+",
        "only=picked&ids=x&action=read",
        "only=picked&ids=&action=delete",
        "only=picked&one=star&action=read",
        "only=picked&one=explode+000000000000000000000000",
        "q=is%3Agreen&action=delete",
    ] {
        post(bad).expect(400);
    }
    post(&format!("action=tag&tag={}", "x".repeat(101))).expect(400);
    post(&format!("only=picked&id={a}&id={b}&action=delete")).expect(303);
    assert_eq!(server.shelf.records().len(), 2);
}

#[test]
fn help_has_a_page_of_its_own() {
    let page = Server::start().get("/help").expect(200);
    for operator in ["domain:example.org", "has:attachment", "larger:1M", "-from:ann"] {
        assert!(page.text().contains(operator), "{operator}");
    }
}

#[test]
fn the_first_page_is_small_and_names_only_our_files() {
    let server = Server::start();
    for number in 0..60 {
        server.deliver("bob@example.com", &letter(&format!("A subject of some length {number}")));
    }
    let page = server.get("/").expect(200);
    let attributes =
        ["href=\"", "src=\""].into_iter().flat_map(|name| page.text().split(name).skip(1));
    let urls: Vec<_> = attributes.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(
        urls.iter().all(|url| url.starts_with(['/', '#']) && !url.starts_with("//")),
        "{urls:?}"
    );
    let files = urls.into_iter().filter(|url| url.starts_with("/static/"));
    let gzip = [("Accept-Encoding", "gzip")];
    let size = |path: &str| server.client().request("GET", path, &gzip, "").expect(200).body.len();
    let files: Vec<usize> = files.map(size).collect();
    assert!(files.len() > 10, "{files:?}");
    let whole = size("/") + files.iter().sum::<usize>();
    println!("the first page takes {whole} octets with all its files");
    assert!(whole < 60_000, "{whole}");
}
