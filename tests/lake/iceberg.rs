//! The adapter of Iceberg catalogs on Apache's own, with tables that pyiceberg wrote.

use milvus_refresh_operator::catalogs::{
    Access, Ask, Catalog as _, CatalogErrorKind, Limits, Login, Rest, Table, milvus_source,
};
use secrecy::SecretString;

use crate::{
    catalog::{Catalog, Written},
    certificates::Ca,
    gateway::{Gateway, SECRET},
};

const TABLE: &str = "shop.eu.products";
/// As we ask for it: pyiceberg does not encode the dot.
const PATH: &str = "/v1/namespaces/shop%2Eeu/tables/products";

/// What Apache's catalog gives to whoever calls itself so.
const TOKEN: &str = "client-credentials-token:sub=reader";

fn rest(catalog: &Catalog<'_>, login: Login, ca: Option<&Ca>) -> Rest {
    let ca = ca.map(|ca| ca.pem.clone());
    Rest::new(Access { uri: catalog.url.clone(), warehouse: None, login, ca }, Limits::default()).unwrap()
}

fn ask(reference: &str, pinned: Option<i64>) -> Ask {
    Ask { table: TABLE.to_owned(), reference: reference.to_owned(), pinned }
}

fn stands(written: &Written, snapshot: i64) -> Table {
    Table { metadata_location: written.location.clone(), snapshot, pinned_is_gone: false }
}

#[tokio::test]
async fn a_table_is_told_as_it_is_written_tagged_compacted_expired_and_dropped() {
    let gateway = Gateway::start(None);
    let catalog = Catalog::start(&gateway, "", None).await;
    let rest = rest(&catalog, Login::None, None);
    let kind = async |ask: Ask| rest.table(&ask).await.unwrap_err().kind;
    assert_eq!(kind(ask("main", None)).await, CatalogErrorKind::NoTable);

    assert_eq!(catalog.write(TABLE, &["create"]), None);
    assert_eq!(kind(ask("main", None)).await, CatalogErrorKind::Empty);

    let first = catalog.write(TABLE, &["append=3"]).unwrap();
    assert_eq!(rest.table(&ask("main", None)).await, Ok(stands(&first, first.snapshot)));
    assert_eq!(kind(ask("v1", None)).await, CatalogErrorKind::NoReference);
    // What the catalog tells of the store is not even read.
    assert!(!format!("{rest:?}").contains(SECRET));
    assert!(milvus_source(&first.location, Some(&gateway.url)).is_ok());

    let tagged = catalog.write(TABLE, &["tag=v1", "branch=audit", "append-to=audit:1"]).unwrap();
    assert_eq!(tagged.snapshot, first.snapshot);
    assert_ne!(tagged.location, first.location);
    for reference in ["main", "v1"] {
        assert_eq!(rest.table(&ask(reference, None)).await, Ok(stands(&tagged, first.snapshot)), "{reference}");
    }
    let audit = rest.table(&ask("audit", None)).await.unwrap();
    assert_ne!(audit.snapshot, first.snapshot);

    let second = catalog.write(TABLE, &["append=2", "append=1"]).unwrap();
    catalog.compact(TABLE);
    let compacted = rest.table(&ask("main", Some(second.snapshot))).await.unwrap();
    assert!(compacted.snapshot != second.snapshot && !compacted.pinned_is_gone, "{compacted:?}");

    let expired = catalog.write(TABLE, &[&format!("expire={}", second.snapshot)]).unwrap();
    assert_eq!(expired.snapshot, compacted.snapshot);
    let gone = rest.table(&ask("main", Some(second.snapshot))).await.unwrap();
    assert_eq!(gone, Table { pinned_is_gone: true, ..stands(&expired, compacted.snapshot) });
    let kept = rest.table(&ask("main", Some(first.snapshot))).await.unwrap();
    assert!(!kept.pinned_is_gone, "a tag keeps it");

    assert_eq!(catalog.write(TABLE, &["drop"]), None);
    assert_eq!(kind(ask("main", None)).await, CatalogErrorKind::NoTable);
}

#[tokio::test]
async fn a_table_that_nobody_wrote_to_is_sent_once() {
    let gateway = Gateway::start(None);
    let catalog = Catalog::start(&gateway, "", None).await;
    let rest = rest(&catalog, Login::None, None);
    let written = catalog.write(TABLE, &["create", "append=3"]).unwrap();
    for _ in 0..4 {
        assert_eq!(rest.table(&ask("main", None)).await, Ok(stands(&written, written.snapshot)));
    }
    assert_eq!((catalog.answered(200, PATH), catalog.answered(304, PATH)), (1, 3));
    assert_eq!(catalog.answered(200, "/v1/config"), 1 + 1, "pyiceberg's and ours");
    let again = catalog.write(TABLE, &["append=1"]).unwrap();
    assert_eq!(rest.table(&ask("main", None)).await, Ok(stands(&again, again.snapshot)));
    assert_eq!(catalog.answered(304, PATH), 3);
}

#[tokio::test]
async fn whoever_has_no_token_is_not_let_in_and_a_client_fetches_one() {
    let gateway = Gateway::start(None);
    let catalog = Catalog::start(&gateway, TOKEN, None).await;
    let written = catalog.write(TABLE, &["create", "append=3"]).unwrap();
    let client = |id: &str| Login::Client {
        id: id.into(),
        secret: "hunter2+/".into(),
        token_uri: format!("{}/v1/oauth/tokens", catalog.url),
        scope: Some("catalog".to_owned()),
    };
    for login in [Login::Token(SecretString::from(TOKEN)), client("reader")] {
        let found = rest(&catalog, login, None).table(&ask("main", None)).await;
        assert_eq!(found, Ok(stands(&written, written.snapshot)));
    }
    for login in [Login::None, Login::Token("hunter2".into()), client("somebody")] {
        let error = rest(&catalog, login, None).table(&ask("main", None)).await.unwrap_err();
        assert_eq!(error.kind, CatalogErrorKind::Denied, "{error}");
        assert!(error.message.ends_with("It says: Who are you?") && !error.message.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_catalog_with_a_private_ca_is_trusted_by_that_ca_alone() {
    let (gateway, ca) = (Gateway::start(None), Ca::new());
    let catalog = Catalog::start(&gateway, "", Some(&ca.server("127.0.0.1"))).await;
    let kind = async |rest: Rest| rest.table(&ask("main", None)).await.unwrap_err().kind;
    assert_eq!(kind(rest(&catalog, Login::None, Some(&ca))).await, CatalogErrorKind::NoTable, "it is reached");
    for ca in [None, Some(&Ca::new())] {
        assert_eq!(kind(rest(&catalog, Login::None, ca)).await, CatalogErrorKind::Certificate);
    }
}
