//! A watch that is lost, and the listing that takes its place.

use super::cluster::{Cluster, Seen};

#[tokio::test(start_paused = true)]
async fn what_changed_before_a_listing_is_reconciled_as_it_is_now_however_long_its_pages_take() {
    for streams in [true, false] {
        let cluster = Cluster::new(streams);
        for number in 0..150 {
            cluster.put(&format!("refresh-{number:03}"), "one");
        }
        let seen = Seen::of(&cluster).await;
        assert_eq!(seen.since().await.len(), 150);
        cluster.put("refresh-005", "two");
        cluster.put("refresh-005-new", "one");
        cluster.delete("refresh-149");
        cluster.hold_pages();
        cluster.compact();
        assert_eq!(seen.since().await, [""; 0], "the listing is not complete");
        cluster.release_pages();
        assert_eq!(seen.since().await, ["refresh-005 two", "refresh-005-new one", "refresh-149 gone"], "{streams}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_restored_from_a_backup_is_listed_anew() {
    for streams in [true, false] {
        let cluster = Cluster::new(streams);
        for name in ["edited", "deleted", "untouched"] {
            cluster.put(name, "one");
        }
        let backup = cluster.back_up();
        let seen = Seen::of(&cluster).await;
        cluster.put("edited", "two");
        cluster.put("created", "one");
        cluster.delete("deleted");
        cluster.compact();
        seen.since().await;
        cluster.pass_by(1000);
        cluster.compact();
        assert_eq!(seen.since().await, [""; 0]);
        cluster.restore(backup);
        assert_eq!(seen.since().await, ["created gone", "deleted one", "edited one", "restored", "untouched one"]);
    }
}
